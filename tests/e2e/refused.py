"""What a gateway with keys answers to those whom it does not let in, on REST and gRPC.

`python -m tests.e2e.refused docs/security.md` puts the table there.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from typer.testing import CliRunner

from mien.cli import app
from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from tests.load import page
from tests.services.inference.toy_repository import write_classifier
from tests.stack import Stack, free_ports, running

UNKNOWN = "mien_this_key_was_never_made_0123456789abcdefghijk"


@dataclass(frozen=True, slots=True)
class Answers:
    """To the same question, asked in the same case on both transports."""

    case: str
    rest: httpx.Response
    rpc: grpc.RpcError

    def reason(self) -> str:
        """ErrorInfo's."""
        return _detail(self.rpc, error_details_pb2.ErrorInfo).reason

    def retry_after_s(self) -> float:
        """RetryInfo's; 0: there is none."""
        delay = _detail(self.rpc, error_details_pb2.RetryInfo).retry_delay
        return float(delay.seconds + delay.nanos / 1e9)

    def row(self) -> tuple[str, ...]:
        told = [name for name in ("WWW-Authenticate", "Retry-After") if name in self.rest.headers]
        rest = f"{self.rest.status_code}" + "".join(f", {name}: {self.rest.headers[name]}" for name in told)
        retry = f", RetryInfo {self.retry_after_s():.1f} s" if self.retry_after_s() else ""
        return self.case, f"`{self.rest.json()['code']}`", rest, f"{self.rpc.code().name}{retry}"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A gateway that asks for `keys`, by id; `file` may be changed. `admin` is its admin port's address."""

    stack: Stack
    keys: dict[str, str]
    file: Path
    admin: str

    def post(
        self, key: str, path: str = "/v1/classify?detect=false", image: bytes = b"no picture", name: str = "upload"
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.post(self.stack.url() + path, files={"image": (name, image)}, headers=headers, timeout=60)

    def call(self, key: str, method: str = "Classify") -> grpc.RpcError:
        """The error of a gRPC call without a picture."""
        metadata = (("authorization", f"Bearer {key}"),) if key else None
        with grpc.insecure_channel(self.stack.address()) as channel:
            stub = mien_pb2_grpc.GatewayStub(channel)
            request = {"Classify": pb.GatewayClassifyRequest, "Generate": pb.GatewayGenerateRequest}[method]()
            try:
                getattr(stub, method)(request, metadata=metadata, timeout=60)
            except grpc.RpcError as error:
                return error
        raise AssertionError("it was let in")

    def refusals(self) -> Iterator[Answers]:
        """Every way not to be let in."""
        for case, key in (("no key", ""), ("wrong key", UNKNOWN), ("expired key", self.keys["expired"])):
            yield Answers(case, self.post(key), self.call(key))
        reads = self.keys["reads"]
        generate = "/v1/generate?expression=fear"
        yield Answers("key without the scope", self.post(reads, generate), self.call(reads, "Generate"))
        self.post(self.keys["slow"])  # the one call that it has
        yield Answers("over the key's rate", self.post(self.keys["slow"]), self.call(self.keys["slow"]))
        with self.stream(self.keys["narrow"]):
            yield Answers("over the key's quota", self.post(self.keys["narrow"]), self.call(self.keys["narrow"]))

    @contextmanager
    def stream(self, key: str) -> Iterator[None]:
        """One that is open for as long as the block runs."""
        with grpc.insecure_channel(self.stack.address()) as channel:
            never = _Never()
            call = mien_pb2_grpc.GatewayStub(channel).ClassifyStream(
                never, metadata=(("authorization", f"Bearer {key}"),), timeout=120
            )
            next(call)  # the window: the server has it
            try:
                yield
            finally:
                call.cancel()


class _Never:
    """Requests that do not come, and do not end before the stream does."""

    def __iter__(self) -> _Never:
        return self

    def __next__(self) -> pb.GatewayClassifyStreamRequest:
        time.sleep(0.2)
        return pb.GatewayClassifyStreamRequest(id="x")


@contextmanager
def guarded(repository: Path, folder: Path, **settings: object) -> Iterator[Guarded]:
    """A gateway with keys that `mien keys new` made, their file in `folder`."""
    keys, file = {}, folder / "keys.toml"
    made: dict[str, tuple[str, ...]] = {
        "reads": ("--scopes", "classify"),
        "paints": ("--scopes", "generate"),
        "operates": ("--scopes", "admin"),
        "expired": ("--expires", "2020-01-01"),
        "slow": ("--per-second", "0.001", "--burst", "1"),
        "narrow": ("--at-once", "1"),
        "five": ("--per-second", "0.001", "--burst", "5"),
    }
    with file.open("w") as lines:
        for id, words in made.items():
            result = CliRunner().invoke(app, ["keys", "new", id, *words])
            keys[id] = result.stderr.split()[-1]
            lines.write(result.stdout)
    port = free_ports(1)[0]
    settings |= {"model_repository": repository, "keys_file": file, "admin_port": port, "log_format": "json"}
    with running("all", **settings) as stack:
        yield Guarded(stack, keys, file, f"127.0.0.1:{port}")


def _detail(error: grpc.RpcError, kind: Callable[[], Any]) -> Any:
    found = kind()
    for detail in rpc_status.from_call(error).details:
        detail.Unpack(found)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        repository.mkdir()
        write_classifier(repository)
        with guarded(repository, Path(folder)) as gateway:
            rows = [answers.row() for answers in gateway.refusals()]
    text = page.table(rows, ("a caller with", "code", "REST", "gRPC"))
    page.publish(text, "refused", Path(sys.argv[1]) if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    main()
