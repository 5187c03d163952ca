"""Many callers at once get the very numbers that each would get alone: with a tiny model, with the committed one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageEnhance

from tests.conftest import encoded, statue
from tests.services.detection.faces import drawn_face
from tests.stack import Stack, running

CALLERS = 64


@pytest.fixture(scope="module", params=["toy", "committed"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def stack(kind: str, request: pytest.FixtureRequest, toy_repository: Path) -> Iterator[Stack]:
    repository = toy_repository if kind == "toy" else request.getfixturevalue("real_repository")
    with running("all", model_repository=repository, timeout_s=120) as process:
        yield process


def photos(rendered: bool) -> list[bytes]:
    """Sixteen different pictures of one to three faces: rendered statues, or drawings for the tiny models."""
    pictures = []
    for number in range(16):
        canvas = Image.new("RGB", (480, 240), (140 + 5 * number, 150, 160))
        for place in range(1 + number % 3):
            side = 130 + 2 * number
            head = statue(number + place) if rendered else Image.fromarray(drawn_face(side - 10))
            face = ImageEnhance.Contrast(head.resize((side, side))).enhance(0.7 + 0.05 * number)
            canvas.paste(face, (5 + 160 * place, 40))
        pictures.append(encoded(canvas))
    return pictures


def test_sixty_four_at_once_get_the_same_numbers_as_one_at_a_time(stack: Stack, kind: str) -> None:
    url, pictures = stack.url() + "/v1/classify", photos(rendered=kind == "committed")
    limits = httpx.Limits(max_connections=CALLERS)
    with httpx.Client(timeout=150, limits=limits) as client:

        def ask(picture: bytes) -> dict[str, object]:
            response = client.post(url, content=picture, headers={"content-type": "image/jpeg"})
            assert response.status_code == 200, response.text
            answer: dict[str, object] = response.json()
            return answer

        alone = [ask(picture) for picture in pictures]
        assert sum(len(answer["faces"]) for answer in alone) >= len(pictures)  # type: ignore[arg-type, misc]
        with ThreadPoolExecutor(CALLERS) as pool:
            different = list(pool.map(ask, pictures * (CALLERS // len(pictures))))
            identical = list(pool.map(ask, [pictures[2]] * CALLERS))
    assert different == alone * (CALLERS // len(pictures))
    assert identical == [alone[2]] * CALLERS
    batches = httpx.get(stack.url() + "/metrics").text
    assert 'mien_batch_rows_count{model="expression_classifier"}' in batches


@pytest.mark.parametrize("role", ["expression_classifier", "face_landmarker", "face_detector"])
def test_the_committed_models_answer_a_row_alike_alone_and_in_any_batch(role: str, real_repository: Path) -> None:
    """Bit for bit, on the file itself: alone, beside strangers, in another order, beside empty rows."""
    versions = sorted(real_repository.glob(f"{role}/*/model.onnx"), key=lambda path: int(path.parent.name))
    if not versions:
        pytest.skip(f"no version of {role} is committed")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(versions[-1], options, providers=["CPUExecutionProvider"])
    (tensor,) = session.get_inputs()
    side = tensor.shape[1]
    random = np.random.default_rng(0)
    seen = [statue(number).resize((side, side)) for number in range(8)]
    seen += [Image.fromarray(drawn_face(60 + number)).resize((side, side)) for number in range(8)]
    rows = np.concatenate([np.stack(seen), random.integers(0, 256, (16, side, side, 3), np.uint8)])

    def answer(chosen: np.ndarray) -> list[np.ndarray]:  # type: ignore[type-arg]
        return session.run(None, {tensor.name: chosen})  # type: ignore[no-any-return]

    alone = [np.concatenate(parts) for parts in zip(*(answer(row[None]) for row in rows), strict=True)]
    assert all(np.isfinite(output).all() for output in alone)
    for size in (2, 3, 8, 32):
        order = random.permutation(len(rows))[:size]
        for found, wanted in zip(answer(rows[order]), alone, strict=True):
            np.testing.assert_array_equal(found, wanted[order])
    padded = np.concatenate([rows[:3], np.zeros((5, side, side, 3), np.uint8)])
    for found, wanted in zip(answer(padded), alone, strict=True):
        np.testing.assert_array_equal(found[:3], wanted[:3])
