"""A process with tiny models for every role, which waits for nobody for long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import generating_repository as generating_repository
from tests.stack import Stack, running


@pytest.fixture(scope="session")
def attacked(generating_repository: Path) -> Iterator[Stack]:
    with running("all", model_repository=generating_repository, log_format="json", head_timeout_s=1) as process:
        yield process
