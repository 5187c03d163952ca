"""Certificates made on the spot with the `openssl` command: an authority, and what it signs for this machine."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Pair:
    """PEM files: a certificate, its private key, and both in one."""

    certificate: Path
    key: Path
    both: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates; `pair` is its own."""

    pair: Pair

    def signed(self, name: str, address: str = "127.0.0.1") -> Pair:
        """One for `address`, to serve and to call with."""
        folder = self.pair.certificate.parent
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        made = _pair(folder, name)
        extensions.write_text(f"subjectAltName = IP:{address}\nextendedKeyUsage = serverAuth, clientAuth\n")
        _openssl("req", "-new", *_CURVE, "-keyout", made.key, "-out", request, "-subj", f"/CN={name}")
        signer = ("-CA", self.pair.certificate, "-CAkey", self.pair.key, "-CAcreateserial", "-days", "2")
        _openssl("x509", "-req", "-in", request, *signer, "-extfile", extensions, "-out", made.certificate)
        made.both.write_text(made.certificate.read_text() + made.key.read_text())
        return made


def authority(folder: Path) -> Authority:
    """A new one, whose files go into this folder; the test is skipped where there is no openssl."""
    if not shutil.which("openssl"):
        pytest.skip("needs the command openssl, which makes certificates")
    folder.mkdir(parents=True, exist_ok=True)
    made = _pair(folder, "ca")
    _openssl("req", "-x509", *_CURVE, "-keyout", made.key, "-out", made.certificate, "-days", "2", "-subj", "/CN=tests")
    return Authority(made)


def locked(pair: Pair) -> Path:
    """Its private key once more, behind a password."""
    file = pair.key.with_suffix(".locked")
    _openssl("pkcs8", "-topk8", "-in", pair.key, "-passout", "pass:password", "-out", file)
    return file


def _pair(folder: Path, name: str) -> Pair:
    return Pair(folder / f"{name}.crt", folder / f"{name}.key", folder / f"{name}.pem")


def _openssl(*words: object) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
