"""What the training tests share: patterned faces, a small backbone, and an entry of a model repository."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

if find_spec("torch") is None:  # the `train` extra is not installed: nothing here can run
    collect_ignore_glob = ["*"]
else:
    import torch

    from tests.training.tiny_run import SmallBackbone, patterned
    from training import gate
    from training.arm import networks
    from training.data.faces import FaceTable
    from training.export import to_onnx

    torch.set_num_threads(1)

    @pytest.fixture
    def faces() -> FaceTable:
        return patterned(42)

    @pytest.fixture
    def small(monkeypatch: pytest.MonkeyPatch) -> None:
        """Networks built in the test have a backbone of a thousandth of ResNet-18's work, same inputs and outputs."""
        monkeypatch.setattr(networks, "Backbone", SmallBackbone)

    @pytest.fixture
    def repository(tmp_path: Path) -> Path:
        """A model repository with the contract that is really served, and no version."""
        entry = tmp_path / "model_repository" / "expression_classifier"
        entry.mkdir(parents=True)
        shutil.copy(ROOT / "model_repository" / "expression_classifier" / "config.pbtxt", entry)
        return entry.parent

    @pytest.fixture(scope="session")
    def contract() -> gate.Contract:
        return gate.read_contract(ROOT / "model_repository" / "expression_classifier" / "config.pbtxt")

    @pytest.fixture(scope="session")
    def served() -> networks.ServedClassifier:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(networks, "Backbone", SmallBackbone)
            torch.manual_seed(0)
            return networks.served(networks.build("arm"))

    @pytest.fixture(scope="session")
    def exported(
        served: networks.ServedClassifier, contract: gate.Contract, tmp_path_factory: pytest.TempPathFactory
    ) -> Path:
        path = tmp_path_factory.mktemp("exported") / "model.onnx"
        to_onnx(served, path, contract)
        return path
