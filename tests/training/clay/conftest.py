from __future__ import annotations

import pytest

from tests.training.clay import toy_head
from training.clay.settings import Clay


@pytest.fixture(scope="session")
def clay(tmp_path_factory: pytest.TempPathFactory) -> Clay:
    """A small, quick recipe on a toy head."""
    head_model = toy_head.write(tmp_path_factory.mktemp("head") / "toy.npz")
    return Clay(
        "toy", 3, str(head_model), "", scenes=1, variants=2, smallest_px=40, largest_px=60, sky_lights=8, shadow_px=48
    )
