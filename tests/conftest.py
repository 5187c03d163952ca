"""Fixtures for all tests. No test needs data from outside the repository; those that can use it skip without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests import clustered, stack, triton_server

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photos and data sets, where there is one beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real photos and data sets of ../shared/data, which are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def real_repository() -> Path:
    """The committed model repository."""
    folder = ROOT / "model_repository"
    if not list(folder.glob("expression_classifier/*/model.onnx")):
        pytest.skip("needs a trained expression_classifier in model_repository/ (mien train, mien export)")
    return folder


@pytest.fixture(scope="session")
def toy_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with a tiny classifier."""
    from tests.services.inference.toy_repository import write_classifier

    folder = tmp_path_factory.mktemp("model_repository")
    write_classifier(folder)
    return folder


@pytest.fixture(scope="session")
def toy_stack(toy_repository: Path) -> Iterator[stack.Stack]:
    """All services in one real process, with the tiny classifier.

    Or those at MIEN_TEST_PORT (containers, say), or where MIEN_TEST_CLUSTER is set the whole deployment (`make e2e`).
    """
    if port := os.environ.get("MIEN_TEST_PORT"):
        yield stack.elsewhere(int(port))
        return
    if os.environ.get("MIEN_TEST_CLUSTER"):
        with clustered.everything(toy_repository) as running:
            yield running
        return
    with stack.running("all", model_repository=toy_repository, log_format="json") as running:
        yield running


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[triton_server.Triton]:
    """One real Triton for all tests, without a model: tests have it `serve` theirs."""
    with triton_server.running(tmp_path_factory.mktemp("triton"), control="explicit") as server:
        yield server


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A JPEG of 320 x 240 pixels with one drawn face."""
    from tests.services.detection.faces import drawn_face

    canvas = Image.new("RGB", (320, 240), (150, 160, 170))
    canvas.paste(Image.fromarray(drawn_face(160)), (90, 40))
    return encoded(canvas)


def statue(number: int) -> Image.Image:
    """One of eight rendered statue heads, square, frontal or nearly so."""
    return Image.open(ROOT / "tests" / "pictures" / f"statue_{number % 8}.jpg").convert("RGB")


def encoded(image: Image.Image, kind: str = "JPEG") -> bytes:
    """A picture as a file's bytes."""
    buffer = BytesIO()
    image.save(buffer, kind, quality=92)
    return buffer.getvalue()
