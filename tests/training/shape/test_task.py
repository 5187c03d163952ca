"""The task: it learns, and a resumed run goes on exactly as the uninterrupted one."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.clay.corpus import Corpus
from training.config import Config
from training.loop import Process
from training.shape import method
from training.shape.frame import default_frame_shape, frame_shape, mean_shape
from training.shape.networks import Landmarker
from training.shape.task import ShapeTask

ALONE = Process(0, 1, torch.device("cpu"))


def test_the_losses_fall(config: Config) -> None:
    task = method.build(replace(config, train=replace(config.train, epochs=20)), ALONE)
    first = task.step(0, 0)
    for step in range(1, 12):
        last = task.step(step // task.steps_per_epoch, step % task.steps_per_epoch)
    assert last["landmarks"] < 0.9 * first["landmarks"]
    assert last["units"] < first["units"]
    assert set(task.validate()) == {"score", "landmark_error", "unit_correlation", "unit_error"}


def test_a_resumed_run_goes_on_exactly(config: Config) -> None:
    whole = method.build(config, ALONE)
    whole.step(0, 0)
    kept = torch.load(_saved(whole.state()), weights_only=True)
    wanted = whole.step(0, 1)
    resumed = ShapeTask(replace(config), whole.train, whole.validation, ALONE.device)
    resumed.restore(kept)
    assert resumed.step(0, 1) == wanted
    for name, value in whole.weights().items():
        assert torch.equal(value, resumed.weights()[name]), name


def test_pictures_of_a_scene_are_in_one_batch_and_all_are_seen(config: Config) -> None:
    task = method.build(config, ALONE)
    batches = [task._rows(0, step) for step in range(task.steps_per_epoch)]
    rows = np.concatenate(batches)
    assert len(np.unique(rows)) == len(rows)
    assert sorted(rows) != list(rows)
    for batch in batches:  # two pictures a scene, and an even batch: but for a scene that lacks one, none is cut in two
        _, count = np.unique(task.train.scene[batch], return_counts=True)
        assert (count == 2).mean() > 0.8
    assert not np.array_equal(rows, np.concatenate([task._rows(1, step) for step in range(task.steps_per_epoch)]))


def _saved(state: dict[str, object]) -> io.BytesIO:
    held = io.BytesIO()
    torch.save(state, held)
    held.seek(0)
    return held


def test_too_few_heads_and_unknown_schedules_are_told(config: Config) -> None:
    with pytest.raises(ValueError, match="do not fill one batch"):
        method.build(replace(config, train=replace(config.train, batch=500)), ALONE)
    with pytest.raises(ValueError, match="choose cosine or exponential"):
        method.build(replace(config, optimizer=replace(config.optimizer, schedule="linear")), ALONE)
    with pytest.raises(ValueError, match="frozen must be 0 to 2 stages"):
        method.build(replace(config, model=replace(config.model, frozen=1)), ALONE)


def test_frozen_stages_stay_as_they_were(config: Config, run: Path) -> None:
    model = replace(config.model, init=str(run / "best.pt"), frozen=1)
    task = method.build(replace(config, model=model), ALONE)
    before = {name: value.clone() for name, value in task.network.backbone.state_dict().items()}
    task.step(0, 0)
    after = task.network.backbone.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(after[name], value)}
    assert moved
    assert not [name for name in moved if name.startswith(("stem", "stages.0.", "stages.1."))]


def test_the_mean_shape_lies_about_the_middle_of_the_square(drawn: Corpus) -> None:
    mean = mean_shape(drawn)
    assert np.abs(mean.mean(0) - 0.5).max() < 0.1
    assert mean[36, 1] == pytest.approx(mean[45, 1], abs=0.02)  # level eyes
    framed = default_frame_shape(mean)
    assert np.ptp(framed[:, 0]) == pytest.approx(np.ptp(mean[:, 0]) / 0.74, rel=1e-3)


def test_the_frame_is_found_where_the_network_sees_the_landmarks(drawn: Corpus) -> None:
    """A stand-in that finds a bright spot knows where the shape lies; the frame's shape must be that."""
    mean = mean_shape(drawn)

    class Finder(Landmarker):
        def forward(self, luma_B1HW: torch.Tensor) -> tuple[torch.Tensor, ...]:  # type: ignore[override]
            bright = (luma_B1HW[:, 0] - 40).clamp(min=0)
            share = bright / bright.sum((1, 2), keepdim=True)
            at = (torch.arange(112) + 0.5) / 112
            x, y = (share.sum(1) * at).sum(1), (share.sum(2) * at).sum(1)
            side = (bright > 85).float().mean((1, 2)).sqrt() / 0.3  # the spot is .3 of the landmarker's square
            points = (torch.from_numpy(mean) - 0.5) * side[:, None, None] + torch.stack([x, y], 1)[:, None]
            units, zero = torch.zeros(len(x), 17), torch.zeros(len(x))
            return points, units, zero, zero - 4, units

    faces = np.full((4, 48, 48), 30, np.uint8)
    faces[:, 18:34, 14:30] = 200  # a spot of 16 px about (22, 26): the landmarker's square is 53 px
    found = frame_shape(Finder().eval(), faces, mean)
    wanted = ((mean - 0.5) * 16 / 0.3 + (22, 26)) / 48
    np.testing.assert_allclose(found, wanted, atol=0.02)
