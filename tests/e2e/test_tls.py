"""TLS with certificates made on the spot: keys over TLS in one process; four services that show each other theirs."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from deploy import health
from mien import AsyncClient, CallError, Client, Tls
from mien.cli import app
from services.chassis import tls
from tests.certificates import Authority, authority, locked
from tests.e2e.refused import Guarded, guarded
from tests.e2e.test_rest import assert_problem
from tests.stack import Stack, apart


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("theirs"))


@pytest.fixture(scope="module")
def gateway(ours: Authority, toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Keys, over TLS."""
    pair = ours.signed("gateway")
    with guarded(
        toy_repository, tmp_path_factory.mktemp("keys"), tls_certificate=pair.certificate, tls_key=pair.key
    ) as one:
        yield one


@pytest.fixture(scope="module")
def four(ours: Authority, toy_repository: Path) -> Iterator[Mapping[str, Stack]]:
    """No keys, but certificates for everybody."""
    pair, ca = ours.signed("services"), ours.pair.certificate
    shown = {"tls_certificate": pair.certificate, "tls_key": pair.key, "tls_client_ca": ca, "tls_ca": ca}
    with apart(model_repository=toy_repository, **shown) as stacks:
        yield stacks


def trusting(signer: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=signer.pair.certificate)


def refused(client: Client) -> str:
    with client, pytest.raises(CallError) as caught:
        client.models()
    return caught.value.code


async def test_the_asyncio_client_asks_over_tls(gateway: Guarded, ours: Authority, photo: bytes) -> None:
    key, trust = gateway.keys["reads"], Tls(ours.pair.certificate)
    async with AsyncClient(gateway.stack.address(), key=key, tls=trust, timeout_s=60) as client:
        assert (await client.classify(photo)).model.version == 1
        outcomes = [one async for one in client.classify_stream([("one", photo)])]
        assert outcomes[0].error is None


def test_rest_and_grpc_answer_over_tls_and_only_to_those_who_speak_it(
    gateway: Guarded, ours: Authority, theirs: Authority, photo: bytes
) -> None:
    key, trust = gateway.keys["reads"], Tls(ours.pair.certificate)
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.get(f"{gateway.stack.url()}/v1/models", headers=headers, verify=trusting(ours), timeout=60)
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    with Client(gateway.stack.address(), key=key, tls=trust, timeout_s=60) as client:
        assert client.classify(photo).model.version == 1
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{gateway.stack.url()}/readyz", verify=trusting(theirs), timeout=60)
    address = gateway.stack.address()
    assert refused(Client(address, key=key, tls=Tls(theirs.pair.certificate), retries=0)) == "unavailable"
    assert refused(Client(address, key=key, retries=0)) == "unavailable"  # in clear
    with pytest.raises(httpx.TransportError):
        httpx.get(gateway.stack.url().replace("https", "http") + "/readyz", timeout=60)
    log = gateway.stack.log.read_text()
    assert "PRIVATE KEY" not in log
    assert "Traceback" not in log
    assert key not in log


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_rest_takes_nothing_older_than_tls_1_2_nor_its_weaker_ciphers(gateway: Guarded, ours: Authority) -> None:
    at = ("127.0.0.1", gateway.stack.ports["GATEWAY_REST_PORT"])

    def cipher(newest: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> str:
        context = trusting(ours)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
        context.set_ciphers(ciphers)
        with (
            socket.create_connection(at, timeout=60) as plain,
            context.wrap_socket(plain, server_hostname=at[0]) as one,
        ):
            return str(one.cipher()[0])  # type: ignore[index]

    assert "GCM" in cipher(ssl.TLSVersion.TLSv1_2)
    for newest, ciphers in ((ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"), (ssl.TLSVersion.TLSv1_2, "ECDHE+SHA1")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            cipher(newest, ciphers)


def test_the_command_line_and_the_health_check_speak_tls(
    gateway: Guarded, ours: Authority, photo: bytes, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo)
    ca = ["--ca", str(ours.pair.certificate)]
    command = ["classify", str(tmp_path / "photo.jpg"), "--gateway", gateway.stack.address()]
    to = ["--to", str(tmp_path / "table.csv")]
    for words, key, status in (
        ([*command, *ca], "reads", 0),
        ([*command, *ca, *to], "reads", 0),
        ([*command, "--ca", str(tmp_path / "nowhere")], "reads", 2),
        (["models", "list", "--admin", gateway.admin, *ca], "operates", 0),
        (["models", "list", "--admin", gateway.admin, "--ca", str(tmp_path / "photo.jpg")], "operates", 2),
    ):
        result = CliRunner().invoke(app, words, env={"MIEN_KEY": gateway.keys[key]})
        assert result.exit_code == status, result.output
        assert (result.output.count("mien: ") == 1) == (status == 2)
    told = {"MIEN_TLS_CERTIFICATE": "x", "MIEN_GATEWAY_REST_PORT": str(gateway.stack.ports["GATEWAY_REST_PORT"])}
    assert health.ready(health.url("gateway", told))


def test_services_show_each_other_certificates_and_take_none_of_another_authority(
    four: Mapping[str, Stack], ours: Authority, theirs: Authority, photo: bytes
) -> None:
    address, ca = four["gateway"].address(), ours.pair.certificate
    caller, stranger = ours.signed("caller").both, theirs.signed("stranger").both
    with Client(address, tls=Tls(ca, caller), timeout_s=60) as client:
        assert client.classify(photo).model.version == 1  # through detection and classification
    for service in ("gateway", "classification"):
        for own in (None, stranger):
            assert refused(Client(four[service].address(service), tls=Tls(ca, own), retries=0)) == "unavailable"


def test_where_certificates_are_asked_for_rest_tells_how_it_is_and_nothing_else(
    four: Mapping[str, Stack], ours: Authority, photo: bytes
) -> None:
    """It cannot ask for them, and would be the way round gRPC, which does."""
    for service, path in (("gateway", "/v1/classify"), ("detection", "/v1/detect")):
        url = four[service].url(service)
        answer = httpx.post(url + path, files={"image": photo}, verify=trusting(ours), timeout=60)
        assert_problem(answer, 403, "permission_denied")
        assert httpx.get(url + "/readyz", verify=trusting(ours), timeout=60).status_code == 200


def test_wrong_files_are_one_sentence_that_names_the_setting(ours: Authority, tmp_path: Path) -> None:
    one, other, nowhere = ours.signed("one"), ours.signed("other"), tmp_path / "nowhere"
    for certificate, key, client_ca, setting in (
        (one.certificate, None, None, "MIEN_TLS_CERTIFICATE and MIEN_TLS_KEY belong together"),
        (None, None, one.certificate, "MIEN_TLS_CLIENT_CA needs"),
        (one.certificate, other.key, None, "MIEN_TLS_CERTIFICATE and MIEN_TLS_KEY are no pair"),
        (one.certificate, locked(one), None, "not encrypted"),
        (nowhere, one.key, None, "MIEN_TLS_CERTIFICATE and MIEN_TLS_KEY cannot be read"),
        (one.certificate, one.key, one.key, "MIEN_TLS_CLIENT_CA cannot be read or has no certificate"),
    ):
        with pytest.raises(OSError, match=setting) as caught:
            tls.listening(certificate, key, client_ca)
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(OSError, match="MIEN_TLS_CA cannot be read"):
        tls.calling(nowhere, None)
