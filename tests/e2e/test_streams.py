"""Streams, asked of the real process by both clients."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from PIL import Image

from mien import AsyncClient, CallError, Client
from tests.conftest import encoded
from tests.e2e.generating import EMPTY, PICTURE
from tests.load.watch import answered, figure
from tests.services.detection.faces import drawn_face
from tests.stack import Stack, running


def faces(number: int) -> bytes:
    """A photo of none to three faces."""
    canvas = Image.new("RGB", (480, 240), (140 + 5 * number, 150, 160))
    for place in range(number % 4):
        canvas.paste(Image.fromarray(drawn_face(120 + number)), (5 + 160 * place, 40))
    return encoded(canvas)


def refused(stack: Stack) -> float:
    """Items of ClassifyStream that were no image."""
    text = httpx.get(stack.url() + "/metrics", timeout=30).text
    found = re.search(r'mien_stream_items_total{code="not_an_image",method="ClassifyStream"} (\S+)', text)
    return float(found[1]) if found else 0.0


def test_a_stream_reads_the_same_numbers_as_single_calls_in_order_and_around_a_bad_item(toy_stack: Stack) -> None:
    pictures = [faces(number) for number in range(8)]
    items = [(str(number), picture) for number, picture in enumerate(pictures)]
    before = refused(toy_stack)  # by the streams of other tests
    with Client(toy_stack.address(), timeout_s=60) as client:
        outcomes = list(client.classify_stream([*items[:3], ("bad", b"no picture"), *items[3:]]))
        alone = [client.classify(picture) for picture in pictures]
    assert [outcome.id for outcome in outcomes] == ["0", "1", "2", "bad", "3", "4", "5", "6", "7"]
    bad = outcomes.pop(3)
    assert bad.error is not None
    assert (bad.error.code, bad.error.retryable) == ("not_an_image", False)
    assert [list(outcome.result.faces) for outcome in outcomes] == [list(answer.faces) for answer in alone]
    assert sum(len(answer.faces) for answer in alone) > 0
    metrics = httpx.get(toy_stack.url() + "/metrics", timeout=30).text
    assert refused(toy_stack) == before + 1
    assert 'mien_stream_items_in_flight{method="ClassifyStream"} 0.0' in metrics


def test_the_asyncio_client_finds_the_same_faces(toy_stack: Stack, photo: bytes) -> None:
    async def ask() -> list[int]:
        async with AsyncClient(toy_stack.address(), timeout_s=60) as client:
            alone = await client.detect(photo)
            found = [outcome async for outcome in client.detect_stream([("one", photo), ("two", photo)])]
            assert [outcome.result.faces[0].box for outcome in found] == [alone.faces[0].box] * 2
            return [len(outcome.result.faces) for outcome in found]

    assert asyncio.run(ask()) == [1, 1]


def test_a_stream_generates_and_says_where_there_is_no_face(generating_stack: Stack) -> None:
    with Client(generating_stack.address(), timeout_s=60) as client:
        first, second, third = client.generate_stream(
            [("a", PICTURE), ("b", EMPTY), ("c", PICTURE)], expression="happiness", jpeg=True
        )
        alone = client.generate(PICTURE, expression="happiness", jpeg=True)
    assert first.result.image == third.result.image == alone.image
    assert second.error is not None
    assert second.error.code == "no_face"


def test_a_process_that_is_told_to_stop_ends_its_streams_and_then_itself(toy_repository: Path, photo: bytes) -> None:
    with running("all", model_repository=toy_repository, drain_s=0.5, ready_within_s=240) as process:
        outcomes = []

        def items() -> Iterator[tuple[str, bytes]]:
            for number in range(100_000):
                if number == 20:
                    process.process.send_signal(signal.SIGTERM)
                yield str(number), photo

        with Client(process.address()) as client, pytest.raises(CallError) as caught:
            for outcome in client.classify_stream(items()):
                outcomes.append(outcome)
        assert (caught.value.code, caught.value.retryable) == ("not_ready", True)
        assert [outcome.id for outcome in outcomes] == [str(number) for number in range(len(outcomes))]
        assert all(outcome.result for outcome in outcomes)
        assert process.process.wait(120) == 0


def test_a_process_that_is_told_to_stop_answers_every_item_that_it_has_taken(toy_repository: Path) -> None:
    large = encoded(Image.linear_gradient("L").resize((4000, 3000)).convert("RGB"))  # takes a while to read
    names, at_signal, over = [str(number) for number in range(24)], [], threading.Event()
    with running("all", model_repository=toy_repository, drain_s=0, ready_within_s=240) as process:

        def items() -> Iterator[tuple[str, bytes]]:
            for name in names:
                yield name, large
            while (left := figure(process, "mien_stream_items_in_flight")) + answered(process) < len(names):
                time.sleep(0.01)
            at_signal.append(left)
            process.process.send_signal(signal.SIGTERM)
            over.wait(120)

        outcomes = []
        with Client(process.address()) as client, pytest.raises(CallError) as caught:
            for outcome in client.classify_stream(items()):
                outcomes.append(outcome)
        over.set()
        assert at_signal[0] > 0
        assert [outcome.id for outcome in outcomes if outcome.result] == names
        assert (caught.value.code, caught.value.retryable) == ("not_ready", True)
        assert process.process.wait(120) == 0


def test_streams_through_four_processes_say_what_one_process_says(
    generating_repository: Path, generating_stack: Stack
) -> None:
    settings = {"model_repository": generating_repository, "ready_within_s": 240}
    pictures = [("one", PICTURE), ("none", EMPTY), ("bad", b"no picture"), ("again", PICTURE)]
    with ExitStack() as stack:
        addresses = {}
        for name in ("detection", "classification", "generation"):
            addresses[f"{name}_address"] = stack.enter_context(running(name, **settings)).address(name)
        gateway = stack.enter_context(running("gateway", **settings, **addresses))
        told = []
        for process in (generating_stack, gateway):
            with Client(process.address(), timeout_s=60) as client:
                read = list(client.classify_stream(pictures))
                made = list(client.generate_stream(pictures, expression="happiness", jpeg=True))
            told.append(
                [
                    [
                        (item.id, item.result and list(item.result.faces), item.error and item.error.code)
                        for item in read
                    ],
                    [(item.id, item.result and item.result.image, item.error and item.error.code) for item in made],
                ]
            )
        assert told[0] == told[1]
        assert [code for _, _, code in told[1][0]] == [None, None, "not_an_image", None]
        assert told[1][0][0][1]
        assert [code for _, _, code in told[1][1]] == [None, "no_face", "not_an_image", None]
