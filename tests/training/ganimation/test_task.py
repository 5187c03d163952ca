"""The task: it learns, it goes on exactly, both games play, and what cannot be trained is told."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training import checkpoint, gate
from training.clay.corpus import Corpus
from training.config import Config
from training.ganimation import method, pieces
from training.ganimation.judge import Judge, judged
from training.ganimation.pieces import Pieces, as_tensor, middles
from training.ganimation.task import GenerationTask
from training.loop import Process

ALONE = Process(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def statues(drawn: Corpus) -> tuple[Pieces, Pieces]:
    train, validation = pieces.split(drawn, 0.3)
    return pieces.load(drawn, train, shown=False), pieces.load(drawn, validation, shown=False)


def task(config: Config, statues: tuple[Pieces, Pieces], **changes: object) -> GenerationTask:
    how = replace(config, generation=replace(config.generation, **changes))  # type: ignore[arg-type]
    # The held-out heads stand in for people.
    return GenerationTask(how, *statues, statues[1], ALONE.device)


def test_pairs_are_learnt_and_scored(config: Config, statues: tuple[Pieces, Pieces]) -> None:
    learning = task(config, statues, people_share=0.25)
    assert (learning.people_in_batch, learning.statues_in_batch) == (1, 3)
    steps = [learning.step(0, 0) for _ in range(40)]  # one batch again and again; the first picture is nearly a copy
    assert steps[-1]["pairs"] < 0.8 * steps[0]["pairs"]
    assert set(steps[0]) == {
        "critic", "slope", "adversarial", "units", "mask", "smooth", "pairs", "detail", "cycle",
    }  # fmt: skip
    assert "slope" not in learning.step(0, 1)  # the penalty is lazy
    found = learning.validate()
    assert -1 <= found["score"] <= 2
    assert found["ssim_copied"] < 1
    assert learning.validate() == found


def test_the_critic_joins_in_when_it_is_asked_to(config: Config, statues: tuple[Pieces, Pieces]) -> None:
    learning = task(config, statues, critic_from=1.0)
    before = {name: value.clone() for name, value in learning.critic.state_dict().items()}
    assert not {"critic", "slope", "adversarial"} & set(learning.step(0, 0))
    assert all(torch.equal(value, before[name]) for name, value in learning.critic.state_dict().items())
    assert {"critic", "adversarial"} <= set(learning.step(1, 0))
    with pytest.raises(ValueError, match="critic_from = 0"):
        task(config, statues, kind="published", critic_from=1.0)


def test_a_resumed_run_goes_on_exactly(config: Config, statues: tuple[Pieces, Pieces]) -> None:
    whole = task(config, statues)
    whole.step(0, 0)
    held = io.BytesIO()
    torch.save(whole.state(), held)
    held.seek(0)
    wanted = whole.step(0, 1)
    resumed = task(config, statues)
    resumed.restore(torch.load(held, weights_only=True))
    assert resumed.step(0, 1) == wanted
    for name, value in whole.weights().items():
        assert torch.equal(value, resumed.weights()[name]), name


def test_the_published_game_takes_its_critic_steps(config: Config, statues: tuple[Pieces, Pieces]) -> None:
    playing = task(config, statues, kind="published", critic_steps=2, width=2, adversarial=1.0, units=160.0)
    before = {name: value.clone() for name, value in playing.generator.state_dict().items()}
    terms = playing.step(0, 0)
    assert set(terms) == {"critic", "slope", "critic_units", "adversarial", "units", "cycle", "mask", "smooth"}
    assert np.isfinite(list(terms.values())).all()
    assert not all(torch.equal(value, before[name]) for name, value in playing.generator.state_dict().items())
    assert playing.images_per_step == 8
    assert not any(weight.requires_grad for weight in playing.judge.parameters())


def test_the_judge_reads_as_the_exported_landmarker_does(landmarker: Path, statues: tuple[Pieces, Pieces]) -> None:
    faces = middles(statues[1].faces)
    judge = Judge(landmarker, as_tensor(faces, ALONE.device))
    judge.train()
    luma = judge.luma(as_tensor(faces, ALONE.device)).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    wanted = gate.of_file(landmarker)(np.repeat(luma.numpy(), 3, 3))["action_units"]
    views = [judged(judge, view, ALONE.device) for view in (faces, np.ascontiguousarray(faces[:, :, ::-1]))]
    np.testing.assert_allclose(np.mean(views, 0), wanted, atol=0.03)


def test_a_run_goes_on_from_a_checkpoint_of_the_same_form(
    config: Config, statues: tuple[Pieces, Pieces], tmp_path: Path
) -> None:
    first = task(config, statues)
    first.step(0, 0)
    checkpoint.save(tmp_path / "best.pt", {"weights": first.weights()})
    going = replace(config, model=replace(config.model, init=str(tmp_path / "best.pt")))
    second = task(going, statues)
    assert all(torch.equal(value, second.weights()[name]) for name, value in first.weights().items())
    with pytest.raises(ValueError, match="kind, width and blocks must agree"):
        task(going, statues, width=5)
    with pytest.raises(ValueError, match=r"from a run's best.pt"):
        task(replace(config, model=replace(config.model, init="model.onnx")), statues)


def test_what_cannot_be_trained_is_told(config: Config, statues: tuple[Pieces, Pieces]) -> None:
    with pytest.raises(ValueError, match="choose film or published"):
        task(config, statues, kind="other")
    with pytest.raises(ValueError, match="do not fill one step"):
        task(config, statues, critic_steps=50)
    with pytest.raises(ValueError, match="people_share below 1"):
        task(config, statues, people_share=1.0)
    with pytest.raises(ValueError, match="must be adam"):
        task(replace(config, optimizer=replace(config.optimizer, kind="sgd")), statues)
    with pytest.raises(ValueError, match="without torchrun"):
        method.build(config, Process(0, 2, ALONE.device))
    with pytest.raises(ValueError, match="set face_px = 128"):
        method.build(replace(config, train=replace(config.train, face_px=112)), ALONE)
