"""A tiny corpus of drawn faces, a small configuration, and an untrained network as a finished run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("torch") is None or find_spec("pyarrow") is None:  # the `train` extra is not installed
    collect_ignore_glob = ["*"]
else:
    import torch

    from tests.training.shape import tiny_corpus
    from training import checkpoint
    from training.clay import corpus as clay
    from training.config import Config, from_dict
    from training.shape.networks import Landmarker

    torch.set_num_threads(1)

    @pytest.fixture(scope="session")
    def drawn(tmp_path_factory: pytest.TempPathFactory) -> clay.Corpus:
        """30 heads, two pictures each; the last two rows are scans."""
        return clay.read(tiny_corpus.write(tmp_path_factory.mktemp("corpus"), 30, 2, scans=2))

    @pytest.fixture
    def config(drawn: clay.Corpus) -> Config:
        return from_dict(
            {
                "name": "tiny",
                "data": {"source": "clay", "path": str(drawn.folder)},
                "model": {"method": "shape", "dropout": 0.1},
                "optimizer": {"kind": "adam", "lr": 0.003, "ema": 0.9, "warmup_epochs": 0.0},
                "train": {"epochs": 2, "batch": 16, "threads": 1, "autocast": False},
                "shape": {"test": str(drawn.folder), "held_out": 0.2},
            }
        )

    @pytest.fixture(scope="session")
    def network() -> Landmarker:
        torch.manual_seed(0)
        network = Landmarker().eval()
        network.heat.weight.data *= 40  # maps with peaks, as trained ones: landmarks in one heap have no frame
        return network

    @pytest.fixture
    def run(tmp_path: Path, network: Landmarker) -> Path:
        folder = tmp_path / "run"
        checkpoint.save(folder / "best.pt", {"weights": network.state_dict(), "scores": {"epoch": 1.0}})
        return folder
