"""The task: it learns from both kinds of faces, keeps scenes whole, and a resumed run goes on exactly."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.tiny_run import patterned
from training import checkpoint, runs
from training.arm import networks as arm
from training.attentive.heads import load
from training.attentive.networks import AttentiveClassifier
from training.attentive.task import AttentiveTask, begun, displaced, taught
from training.clay.corpus import Corpus
from training.config import Config
from training.data.faces import NO_EXPRESSION
from training.shape.frame import default_frame_shape, framing, mean_shape
from training.shape.networks import Landmarker
from training.shape.squares import FIVE


@pytest.fixture
def task(config: Config, drawn: Corpus) -> AttentiveTask:
    about = framing(default_frame_shape(mean_shape(drawn)))
    statues = load([drawn], about, config.shape.held_out, config.shape.cache_px, shown=False)
    return AttentiveTask(config, (patterned(40, 112), patterned(21, 112)), statues, torch.device("cpu"))


def test_the_losses_fall(task: AttentiveTask) -> None:
    first = task.step(0, 0)
    for _ in range(8):
        last = task.step(0, 0)  # the same faces, worn the same way
    assert set(first) == {"expressions", "landmarks", "units", "contrast", "quality"}
    for name in ("expressions", "landmarks", "units"):
        assert last[name] < first[name], name
    scores = task.validate()
    assert scores["score"] == pytest.approx((scores["accuracy"] + scores["statues_macro_recall"]) / 2)


def test_a_resumed_run_goes_on_exactly(task: AttentiveTask) -> None:
    task.step(0, 0)
    held = io.BytesIO()
    torch.save(task.state(), held)
    held.seek(0)
    wanted = task.step(0, 1)
    people, statues = (task.people, task.validation), (task.statues, task.heads)
    resumed = AttentiveTask(task.config, people, statues, torch.device("cpu"))
    resumed.restore(torch.load(held, weights_only=True))
    assert resumed.step(0, 1) == wanted


def test_all_people_are_seen_once_and_scenes_stay_whole(task: AttentiveTask) -> None:
    batches = [task._rows(0, step) for step in range(task.steps_per_epoch)]
    people = np.concatenate([people for people, _ in batches])
    assert sorted(people) == list(range(40))
    for _, statues in batches:
        assert len(statues) == 6
        assert len(np.unique(task.scene[statues])) == 3, "two pictures a scene"


def test_heads_are_framed_as_people_are(task: AttentiveTask, drawn: Corpus) -> None:
    landmarks = task.statues.crops.landmarks
    eyes = np.stack([landmarks[:, first:last].mean(1) for first, last in FIVE[:2]], 1)
    assert np.abs(eyes[:, 0, 1] - eyes[:, 1, 1]).mean() < 0.05, "level"
    mean = default_frame_shape(mean_shape(drawn))
    assert np.abs(np.median(landmarks, 0) - mean).max() < 0.06
    assert displaced(task.heads, task.config).shape == (len(task.heads), 112, 112)


def test_only_heads_that_show_something_clearly_are_for_validation(task: AttentiveTask) -> None:
    assert (task.statues.labels == NO_EXPRESSION).any()
    assert (task.statues.targets[task.statues.labels == NO_EXPRESSION] == 0).all()
    assert task.heads.clear.all()
    assert (task.heads.labels != NO_EXPRESSION).all()


def test_a_share_that_leaves_one_kind_out_is_refused(task: AttentiveTask) -> None:
    wanted = replace(task.config, data=replace(task.config.data, statues_share=0.0))
    with pytest.raises(ValueError, match="statues_share"):
        AttentiveTask(wanted, (task.people, task.validation), (task.statues, task.heads), torch.device("cpu"))


def kept(network: nn.Module, folder: Path) -> str:
    """As the best epoch of a run."""
    checkpoint.save(folder / "best.pt", {"weights": network.state_dict(), "scores": {}})
    return str(folder / "best.pt")


def test_it_begins_with_a_landmarker_and_a_classifier(config: Config, tmp_path: Path) -> None:
    torch.manual_seed(0)
    landmarker, classifier = Landmarker(), arm.ARM()
    wanted = replace(
        config,
        model=replace(config.model, init=kept(landmarker, tmp_path / "landmarker")),
        attentive=replace(config.attentive, classifier=kept(classifier, tmp_path / "classifier")),
    )
    network = begun(wanted)
    assert torch.equal(network.reading[0].weight, landmarker.reading[0].weight)
    assert torch.equal(network.backbone.stages[5].conv2.weight, landmarker.backbone.stages[5].conv2.weight)
    assert torch.equal(network.backbone.stages[7].conv2.weight, classifier.backbone.stages[7].conv2.weight)
    assert runs.built(wanted).state_dict().keys() == network.state_dict().keys()


def test_it_goes_on_with_a_run_of_its_own_kind(config: Config, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = AttentiveClassifier()
    wanted = replace(
        config,
        model=replace(config.model, init=kept(before, tmp_path / "before")),
        attentive=replace(config.attentive, classifier=kept(arm.ARM(), tmp_path / "classifier")),
    )
    for name, value in begun(wanted).state_dict().items():
        assert torch.equal(value, before.state_dict()[name]), name


def test_people_are_taught_by_the_classifier_too(config: Config, tmp_path: Path) -> None:
    torch.manual_seed(0)
    people = patterned(9, 112)
    where = kept(arm.ARM(), tmp_path / "classifier")
    wanted = replace(config, attentive=replace(config.attentive, classifier=where, taught=0.25))
    found = taught(people, wanted, torch.device("cpu"))
    told = (found.targets - 0.75 * people.targets) / 0.25
    np.testing.assert_allclose(told.sum(1), 1, atol=1e-5)
    assert ((told > 0) & (told < 1)).all()
    assert taught(people, config, torch.device("cpu")) is people


def test_a_run_of_another_kind_is_refused(config: Config, tmp_path: Path) -> None:
    wanted = replace(config, model=replace(config.model, init=kept(arm.ARM(), tmp_path)))
    with pytest.raises(ValueError, match="neither a landmarker's run"):
        begun(wanted)
