"""Training: losses fall, the same step is the same again, and a run that was restored goes on exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.fcos import tiny_corpus
from training import loop
from training.config import Config, from_dict
from training.fcos import method, task

ALONE = loop.Process(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    corpus = tiny_corpus.write(tmp_path_factory.mktemp("corpus"), 40)
    return from_dict(
        {
            "name": "tiny",
            "model": {"method": "fcos"},
            "optimizer": {"kind": "adam", "lr": 2e-3, "ema": 0.9, "warmup_epochs": 0.0},
            "train": {"epochs": 1, "batch": 4, "autocast": False},
            "scenes": {
                "corpora": [str(corpus)], "faces": "", "backgrounds": "", "teacher": "", "photos": [],
                "side_px": 64, "smallest_px": 20.0, "largest_px": 50.0, "most": 1, "canvases": 40,
            },
        }
    )  # fmt: skip


def test_losses_fall(config: Config) -> None:
    built = method.build(config, ALONE)
    sums = [sum(built.step(0, 0).values()) for _ in range(16)]  # the same batch, learnt by heart
    assert sum(sums[-3:]) < 0.8 * sum(sums[:3])


def test_a_restored_run_goes_on_exactly(config: Config) -> None:
    whole, broken = method.build(config, ALONE), method.build(config, ALONE)
    for step in range(2):
        whole.step(0, step)
        broken.step(0, step)
    resumed = method.build(config, ALONE)
    resumed.restore(broken.state())
    assert resumed.step(0, 2) == whole.step(0, 2)
    for name, value in whole.weights().items():
        assert torch.equal(value, resumed.weights()[name]), name


def test_validation_scores_are_of_held_out_pieces_and_in_range(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "VALIDATION_CANVASES", 6)
    built = method.build(config, ALONE)
    scores = built.validate()
    assert 0 <= scores["score"] <= 1
    assert scores == built.validate()


def test_a_canvas_that_the_strides_do_not_divide_is_refused(config: Config) -> None:
    import dataclasses

    odd = dataclasses.replace(config, scenes=dataclasses.replace(config.scenes, side_px=100))
    with pytest.raises(ValueError, match="multiple of 32"):
        method.build(odd, ALONE)


def test_a_run_that_never_ended_an_epoch_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train its configuration first"):
        method.open_network(tmp_path)
