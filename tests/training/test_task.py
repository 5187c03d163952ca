"""One step of training: sharpness-aware moves are undone, averages average, batches are the same again."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.tiny_run import build, config, patterned
from training import checkpoint, loop
from training.arm.task import Batch, ClassificationTask, drawn, predict
from training.data.faces import NO_EXPRESSION, FaceTable, Split

ALONE = loop.Process(0, 1, torch.device("cpu"))


@pytest.fixture
def task(small: None) -> ClassificationTask:
    return build(config(), ALONE)


def weights(task: ClassificationTask) -> list[torch.Tensor]:
    return [value.detach().clone() for value in task.network.parameters()]


def test_sharpness_aware_minimisation_puts_the_weights_back_and_keeps_the_gradient_found_away(small: None) -> None:
    task = build(config(optimizer={"sam_rho": 0.5}), ALONE)
    faces = torch.rand(8, 1, 32, 32) * 255
    target, label = torch.eye(7)[torch.arange(8) % 7], torch.arange(8) % 7
    task.network.eval()
    before = weights(task)
    batch = Batch(faces, target, label, None)
    task._backward(batch)
    here = [p.grad.clone() for p in task.network.parameters()]
    task._sharpness_aware(batch)
    assert all(torch.equal(old, new) for old, new in zip(before, weights(task), strict=True))
    away = [p.grad for p in task.network.parameters()]
    assert not all(torch.allclose(old, new) for old, new in zip(here, away, strict=True))


def test_the_average_follows_its_formula_and_starts_fast(task: ClassificationTask) -> None:
    mean = copy.deepcopy(task.descent.averaged.state_dict())
    for step in range(3):
        task.step(0, step)
        keep = min(0.9, (1 + step) / (10 + step))
        for name, value in task.network.state_dict().items():
            if value.is_floating_point():
                mean[name] = keep * mean[name] + (1 - keep) * value
            else:
                mean[name] = value
    for name, value in task.descent.averaged.state_dict().items():
        assert torch.allclose(value.float(), mean[name].float(), atol=1e-5), name


def test_the_same_step_again_is_the_same_step(small: None) -> None:
    first, second = build(config(), ALONE), build(config(), ALONE)
    torch.manual_seed(99)
    first.step(1, 2)
    torch.manual_seed(7)
    np.random.default_rng(3)
    second.step(1, 2)
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_two_processes_share_the_rows_of_a_batch(small: None) -> None:
    task = build(config(), ALONE)
    whole = task._rows(0, 1)
    halves = []
    for task.rank in (0, 1):
        task.world = 2
        halves.append(task._rows(0, 1))
    assert sorted(np.concatenate(halves).tolist()) == sorted(whole.tolist())
    assert len(halves[0]) == len(halves[1]) == 4


@pytest.mark.parametrize(
    ("people", "statues", "share", "all_of"), [(30, 10, 0.5, slice(30, 40)), (12, 48, 0.4, slice(0, 12))]
)
def test_one_kind_comes_once_an_epoch_and_the_other_is_drawn_anew(
    small: None, people: int, statues: int, share: float, all_of: slice
) -> None:
    table = patterned(people + statues)
    split = Split(table, table, None, train_statues=statues)
    task = ClassificationTask(config(data={"statues_share": share}, train={"batch": 4}), split, ALONE.device)
    assert task.steps_per_epoch == 5
    epochs = [set(np.concatenate([task._rows(epoch, step) for step in range(5)]).tolist()) for epoch in (0, 1)]
    whole = set(range(all_of.start, all_of.stop))
    for rows in epochs:
        assert whole <= rows
        assert len(rows) == 20
    assert epochs[0] != epochs[1]


def test_without_a_share_everybody_comes_once(small: None) -> None:
    assert drawn(30, 10, 0.0) == (30, 10)
    assert drawn(30, 0, 0.5) == (30, 0)


def test_frozen_stages_keep_weights_and_norms_and_the_others_learn(small: None, tmp_path: Path) -> None:
    start = build(config(), ALONE)
    checkpoint.save(tmp_path / "best.pt", {"weights": start.weights()})
    task = build(config(model={"init": str(tmp_path / "best.pt"), "frozen": 2}), ALONE)
    before = copy.deepcopy(task.network.state_dict())
    for step in range(2):
        task.step(0, step)
    still = tuple(f"backbone.layers.{layer}." for layer in range(6))
    for name, value in task.network.state_dict().items():
        if not value.is_floating_point():
            continue
        assert torch.equal(value, before[name]) == name.startswith(still), name


def test_it_learns_what_can_be_learnt(small: None) -> None:
    task = build(config(model={"dropout": 0.0}, augment={"flip": 0.0, "rotate_deg": 0.0}), ALONE)
    first = task.step(0, 0)["cross_entropy"]
    for number in range(1, 40):
        last = task.step(number // 5, number % 5)["cross_entropy"]
    assert last < 0.7 * first
    assert set(task.validate()) == {"score", "accuracy", "macro_f1", "macro_recall", "calibration_error"}


def with_units(count: int) -> FaceTable:
    """The first half without units, as people are; of the rest every other without an expression. A unit is the
    brightness of a face's left half."""
    table, random = patterned(count), np.random.default_rng(4)
    units = np.full((count, 17), np.nan, np.float32)
    units[count // 2 :] = random.random((count - count // 2, 1))
    faces, labels, targets = table.faces.copy(), table.labels.copy(), table.targets.copy()
    for row in range(count // 2, count):
        faces[row, :, : faces.shape[2] // 2] = (255 * units[row, 0]).astype(np.uint8)
        if row % 2:
            labels[row], targets[row] = NO_EXPRESSION, 0
    return FaceTable(faces, targets, labels, units)


def test_units_are_learnt_beside_the_expressions_and_are_not_in_the_network_that_is_exported(small: None) -> None:
    wanted = config(loss={"units": 1.0}, model={"dropout": 0.0}, augment={"flip": 0.0, "rotate_deg": 0.0})
    task = ClassificationTask(wanted, Split(with_units(40), patterned(21)), ALONE.device)
    first = task.step(0, 0)
    for number in range(1, 40):
        last = task.step(number // 5, number % 5)
    assert last["units"] < first["units"]
    assert last["cross_entropy"] < 0.8 * first["cross_entropy"]
    assert task.weights().keys() == build(config(), ALONE).weights().keys()
    again = ClassificationTask(wanted, Split(with_units(40), patterned(21)), ALONE.device)
    again.restore(copy.deepcopy(task.state()))
    assert again.step(8, 0) == task.step(8, 0)


def test_units_need_faces_whose_units_are_known(small: None) -> None:
    with pytest.raises(ValueError, match="from statues"):
        build(config(loss={"units": 1.0}), ALONE)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"loss": {"kind": "hinge"}}, "soft, hard or focal"),
        ({"optimizer": {"kind": "lion"}}, "sgd or adam"),
        ({"optimizer": {"schedule": "steps"}}, "cosine or exponential"),
        ({"loss": {"alpha": (1.0, 2.0)}}, "1 number or 7"),
        ({"train": {"batch": 64}}, "do not fill one batch"),
        ({"model": {"frozen": 1}}, "starts from another"),
        ({"model": {"frozen": 4, "init": "best.pt"}}, "0 to 3 stages"),
    ],
)
def test_a_wrong_choice_is_told_the_right_ones(small: None, section: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(config(**section), ALONE).step(0, 0)


def test_prediction_keeps_the_order(task: ClassificationTask) -> None:
    table = patterned(9)
    together = predict(task.network, table, 32, torch.device("cpu"))
    alone = predict(task.network, table.take(np.array([4])), 32, torch.device("cpu"))
    assert np.allclose(together[4], alone[0], atol=1e-6)


def test_a_mirrored_face_is_answered_and_validated_as_the_face_is(task: ClassificationTask) -> None:
    table = patterned(40)
    turned = replace(table, faces=np.ascontiguousarray(table.faces[:, :, ::-1]))
    cpu = torch.device("cpu")
    one, other = (predict(task.network, faces, 32, cpu, mirrored=True) for faces in (table, turned))
    assert np.allclose(one, other, atol=1e-6)
    plain, other = (predict(task.network, faces, 32, cpu) for faces in (table, turned))
    assert not np.allclose(plain, other, atol=1e-6)
    task.split = replace(task.split, validation=table)
    before = task.validate()
    task.split = replace(task.split, validation=turned)
    assert task.validate() == pytest.approx(before)
