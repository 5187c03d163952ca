"""One tiny study of drawn heads for all tests here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("torch") is None or find_spec("pyarrow") is None:  # the `train` extra is not installed
    collect_ignore_glob = ["*"]
else:
    from tests.training.experiments import tiny_study
    from training.experiments.settings import Experiments, load

    @pytest.fixture(scope="session")
    def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The tiny configuration's file, its folders filled."""
        if not tiny_study.landmarker_there():
            pytest.skip("needs exported face_landmarker and expression_generator in model_repository/")
        return tiny_study.write(tmp_path_factory.mktemp("study"))

    @pytest.fixture(scope="session")
    def settings(config: Path) -> Experiments:
        return load(config)
