"""Hostile input against the real process: the cases that were kept, and some hundred of each sort.

`python -m tests.load.hostile` is the same with thousands, the OpenAPI's own, bombs and memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.conftest import statue
from tests.hostile import asking, attacks, corpus, pictures
from tests.hostile.grpc_messages import kept
from tests.hostile.judging import Case, Ledger
from tests.stack import Stack

_SIDE_PX = 48


@pytest.fixture(autouse=True)
def _as_before(attacked: Stack, photo: bytes) -> Iterator[None]:
    """Whatever a test sends, a photo is read to the same bits afterwards, and no defect stands in the log."""
    before = attacks.answer_of(attacked, photo)
    yield
    assert attacks.answer_of(attacked, photo) == before
    assert "Traceback" not in attacked.log.read_text()


@pytest.fixture(scope="module")
def sound() -> dict[str, bytes]:
    photo = statue(0).resize((_SIDE_PX, _SIDE_PX))
    return pictures.variants(photo) | pictures.polyglots(photo)


def test_the_kept_cases_are_answered_without_a_fault(attacked: Stack) -> None:
    ledger = Ledger()
    attacks.send_pictures(attacked, corpus.read("image"), ledger)
    attacks.send_requests(attacked, corpus.read("http"), ledger)
    attacks.send_calls(attacked, map(kept, corpus.read("grpc")), ledger)
    assert ledger.faults == []
    assert ledger.statuses.total() >= 60


def test_every_format_and_colour_space_is_read(attacked: Stack, sound: dict[str, bytes]) -> None:
    with httpx.Client() as client:
        url = attacked.url() + "/v1/classify"
        got = {name: asking.send_picture(client, url, Case("image", name, data)).status for name, data in sound.items()}
    assert got == dict.fromkeys(sound, "200")


def test_files_of_other_formats_are_refused(attacked: Stack) -> None:
    with httpx.Client() as client:
        for name, data in pictures.foreign(statue(0).resize((_SIDE_PX, _SIDE_PX))).items():
            answer = asking.send_picture(client, attacked.url() + "/v1/classify", Case("image", name, data))
            assert answer.status in ("400", "415"), name


def test_exif_orientations_are_the_same_picture(attacked: Stack, photo: bytes) -> None:
    upright = Image.open(BytesIO(photo))
    whole = "?detect=false"
    answers = [attacks.answer_of(attacked, data, whole) for data in pictures.turned(upright, "PNG")]
    assert answers == [answers[0]] * 8
    on_its_side = pictures.written(upright.rotate(90, expand=True), "PNG")
    assert attacks.answer_of(attacked, on_its_side, whole) != answers[0]


def test_broken_pictures_are_refused_or_read(attacked: Stack, sound: dict[str, bytes]) -> None:
    ledger = Ledger()
    attacks.send_pictures(attacked, attacks.broken_pictures(200, sound), ledger)
    assert ledger.faults == []
    assert ledger.statuses["400"] > 20


def test_malformed_requests_are_refused_or_closed(attacked: Stack) -> None:
    ledger = Ledger()
    attacks.send_requests(attacked, attacks.broken_requests(330), ledger)
    assert ledger.faults == []
    assert ledger.statuses["400"] > 50


def test_garbage_messages_are_refused(attacked: Stack) -> None:
    ledger = Ledger()
    attacks.send_calls(attacked, attacks.broken_calls(300), ledger)
    assert ledger.faults == []
    assert ledger.statuses["INVALID_ARGUMENT"] > 50


def test_a_query_of_many_parameters_is_refused_as_a_whole(attacked: Stack) -> None:
    url = attacked.url() + "/v1/models?" + "&".join(f"k{number}" for number in range(65))
    reply = httpx.get(url)
    assert reply.status_code == 422
    assert "at most 64 parameters" in reply.json()["detail"]
