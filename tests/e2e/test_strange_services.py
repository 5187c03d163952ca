"""A gateway before a service that answers nonsense, or not at all."""

from __future__ import annotations

import asyncio
import time

import httpx

from tests.load.strange import NONSENSE, babbling
from tests.stack import Stack, free_ports, running


def classify(gateway: Stack, photo: bytes, within_s: float = 60.0) -> httpx.Response:
    headers = {"Request-Timeout": str(within_s)}
    return httpx.post(gateway.url() + "/v1/classify", files={"image": photo}, headers=headers, timeout=90)


def alive(gateway: Stack) -> bool:
    try:
        return httpx.get(gateway.url() + "/livez", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


async def until_alive(gateway: Stack) -> None:
    deadline = time.monotonic() + 120
    while not await asyncio.to_thread(alive, gateway):
        assert time.monotonic() < deadline, gateway.log.read_text()
        await asyncio.sleep(0.1)


async def test_every_sort_of_nonsense_is_503_and_none_of_it_is_told(photo: bytes) -> None:
    said = b""
    async with babbling(lambda: said) as address:
        with running("gateway", ready=False, detection_address=address, log_format="json") as gateway:
            await until_alive(gateway)
            for sort, said in NONSENSE.items():  # noqa: B007 - the service says it
                answer = await asyncio.to_thread(classify, gateway, photo)
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), sort
                assert "retry-after" in answer.headers
            assert "Traceback" not in gateway.log.read_text()


def test_nobody_behind_is_503_soon_and_the_gateway_says_so(photo: bytes) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with running("gateway", ready=False, detection_address=address) as gateway:
        asyncio.run(until_alive(gateway))
        deadline = time.monotonic() + 60
        while httpx.get(gateway.url() + "/status.json", timeout=30).json()["links"]["detection"]:
            answer = classify(gateway, photo)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert time.monotonic() < deadline
        assert httpx.get(gateway.url() + "/readyz", timeout=30).status_code == 503
        assert 'mien_link_broken{to="detection"} 1.0' in httpx.get(gateway.url() + "/metrics", timeout=30).text
