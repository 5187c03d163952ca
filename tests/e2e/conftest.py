"""A process with tiny models for every role, the generator among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import clustered
from tests.services.detection.toy_models import write_detector, write_landmarker
from tests.services.generation.toy_generator import write_generator
from tests.services.inference.toy_repository import write_classifier
from tests.stack import Stack, running


@pytest.fixture(scope="session")
def generating_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toys for every role."""
    folder = tmp_path_factory.mktemp("repository")
    write_classifier(folder)
    write_detector(folder)
    write_landmarker(folder)
    write_generator(folder, delay_us=30_000)
    return folder


@pytest.fixture(scope="session")
def generating_stack(generating_repository: Path) -> Iterator[Stack]:
    if os.environ.get("MIEN_TEST_CLUSTER"):
        with clustered.everything(generating_repository) as process:
            yield process
        return
    with running("all", model_repository=generating_repository, log_format="json") as process:
        yield process
