"""A tiny corpus of drawn faces with expressions, patterned people, and a small configuration."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if find_spec("torch") is None or find_spec("pyarrow") is None:  # the `train` extra is not installed
    collect_ignore_glob = ["*"]
else:
    import torch

    from tests.training.shape import tiny_corpus
    from training.attentive.networks import AttentiveClassifier
    from training.clay import corpus as clay
    from training.config import Config, from_dict
    from training.data.faces import EXPRESSIONS

    torch.set_num_threads(1)

    @pytest.fixture(scope="session")
    def drawn(tmp_path_factory: pytest.TempPathFactory) -> clay.Corpus:
        """30 heads, two pictures each, every eighth of no expression."""
        return clay.read(tiny_corpus.write(tmp_path_factory.mktemp("corpus"), 30, 2, named=(*EXPRESSIONS, "")))

    @pytest.fixture
    def config(drawn: clay.Corpus) -> Config:
        return from_dict(
            {
                "name": "tiny",
                "data": {"statues": [str(drawn.folder)], "statues_share": 0.6},
                "model": {"method": "attentive", "dropout": 0.1},
                "optimizer": {"kind": "adam", "lr": 0.002, "ema": 0.9, "warmup_epochs": 0.0},
                "train": {"epochs": 20, "batch": 10, "threads": 1, "autocast": False},
                "shape": {"held_out": 0.2, "contrast": 4.0, "nonsense": 0.0},
            }
        )

    @pytest.fixture(scope="session")
    def network() -> AttentiveClassifier:
        torch.manual_seed(0)
        network = AttentiveClassifier().eval()
        network.heat.weight.data *= 40  # maps with peaks, as trained ones
        network.parts.weight.data.normal_(std=0.1)
        network.cells.bias.data.normal_()
        return network
