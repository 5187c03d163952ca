"""The committed generator behind the real gateway: what is asked for is read afterwards, and the rest stays."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.e2e.generating import marked, opened, pixels
from tests.stack import Stack, running

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
HEADS = (0, 1, 6, 7)


@pytest.fixture(scope="module")
def stack(real_repository: Path) -> Iterator[Stack]:
    if not list(real_repository.glob("expression_generator/*/model.onnx")):
        pytest.skip("needs a trained expression_generator in model_repository/ (mien train, mien export)")
    with running("all", model_repository=real_repository) as process:
        yield process


def ask(stack: Stack, head: int, query: str, accept: str = "image/png") -> httpx.Response:
    data = (PICTURES / f"statue_{head}.jpg").read_bytes()
    url = f"{stack.url()}/v1/generate?{query}"
    return httpx.post(url, files={"image": data}, headers={"Accept": accept}, timeout=60).raise_for_status()


@pytest.mark.parametrize("head", HEADS)
def test_no_intensity_gives_the_photo_back(stack: Stack, head: int) -> None:
    before = np.asarray(Image.open(PICTURES / f"statue_{head}.jpg").convert("RGB"))
    assert np.array_equal(pixels(ask(stack, head, "expression=anger&intensity=0").content), before)


@pytest.mark.parametrize("head", HEADS)
def test_an_expression_changes_the_face_and_nothing_around_it(stack: Stack, head: int) -> None:
    before = np.asarray(Image.open(PICTURES / f"statue_{head}.jpg").convert("RGB")).astype(int)
    answer = ask(stack, head, "expression=surprise", "application/json").json()
    picture = opened(base64.b64decode(answer["picture"]))
    assert marked(picture)
    changed = np.abs(np.asarray(picture.convert("RGB")).astype(int) - before).max(2)
    assert changed.max() > 30
    # The generator sees a square of 1.5 times the face; nothing beyond its corners may change.
    box = answer["faces"][0]["box"]
    rows, columns = np.indices(changed.shape)
    across, down = columns - box["x"] - box["width"] / 2, rows - box["y"] - box["height"] / 2
    beyond = np.hypot(across, down) > 1.5 * np.sqrt(box["width"] * box["height"] / 2) + 2
    assert not changed[beyond].any()
    assert beyond.any() or head == 1  # that one's face fills its picture


def test_the_asked_unit_is_what_grows_most(stack: Stack) -> None:
    """Over the heads together: a single one may be misread."""
    for unit in ("AU12", "AU26", "AU04"):
        grown: dict[str, float] = {}
        for head in HEADS:
            answer = ask(stack, head, f'action_units={{"{unit}": 1.0}}', "application/json").json()
            face = answer["faces"][0]
            for name, value in face["measured"].items():
                grown[name] = grown.get(name, 0.0) + value - face["action_units"][name]
        assert grown[unit] > 0.1 * len(HEADS), unit
        assert max(grown, key=lambda name: grown[name]) == unit
