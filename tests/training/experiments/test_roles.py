"""Roles: who plays what, no head twice, and what is told when there are too few."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.experiments import tiny_study
from training.experiments import figures, gan, missing, roles
from training.experiments.figures import Figures
from training.experiments.settings import Experiments, Roles, from_dict
from training.experiments.study import Study

POSTURES = (*figures.POSTURES, "bust")


def heads(count: int) -> Figures:
    """Two pictures of each of so many heads, of all postures and two materials."""
    at = np.repeat(np.arange(count), 2)
    return Figures(
        np.zeros((2 * count, 8, 8), np.uint8),
        np.arange(2 * count) % 7,
        np.ones(2 * count, np.float32),
        np.char.add("head ", at.astype(np.str_)),
        np.array(POSTURES)[at % 6],
        np.where(at % 4 == 0, "marble", "terracotta"),
    )


def test_the_paper_s_counts_are_the_defaults_and_no_head_plays_two_roles() -> None:
    found = roles.cast(Roles(), heads(300), None, 8, 1)
    assert [len(each) for each in (found.cw58, found.postures, found.han, found.american)] == [58, 85, 43, 33]
    counts = dict(zip(*np.unique(found.postures.posture, return_counts=True), strict=True))
    assert counts == {"kneeling": 18, "general": 25, "standing": 17, "cavalry": 6, "civil": 19}
    names = np.concatenate([each.identity for each in (found.cw58, found.postures, found.han, found.american)])
    assert len(set(names)) == len(names) == 219


def test_scans_are_among_the_american_figures() -> None:
    scans = heads(20)
    scans = dataclasses.replace(scans, material=np.full(40, "scan"), identity=np.char.add("scan ", scans.identity))
    american = roles.cast(Roles(), heads(300), scans, 8, 1).american
    assert (american.material == "scan").sum() == roles.SCANNED
    assert len(set(american.identity)) == len(american) == 33


def test_too_few_heads_say_for_which_role_and_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"kneeling figures: 18 heads are needed and 8 are left: render a larger"):
        roles.cast(Roles(), heads(48), None, 8, 1)
    with pytest.raises(ValueError, match="Han: 43 heads are needed and 9 are left"):
        roles.cast(Roles(), heads(152), None, 8, 1)
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\]"):
        from_dict({"name": "x", "roles": {"share": 0.0}})


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((30, 20), 80, np.uint8))
    return path


def test_a_folder_s_names_are_expressions_or_postures(tmp_path: Path) -> None:
    picture(tmp_path / "angry" / "F1_front.jpg")
    picture(tmp_path / "generals" / "F2.jpg")
    found = figures.own(tmp_path, 16, "CW58")
    assert found.faces.shape == (2, 16, 16)
    assert found.labels.tolist() == [4, -1]
    assert found.identity.tolist() == ["F1", "F2"]
    assert found.posture.tolist() == ["", "general"]


def test_a_list_gives_expressions_postures_and_votes(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    listing = tmp_path / "list.csv"
    listing.write_text("file,identity,expression,posture,neutral,anger\na.png,F1,anger,kneeling,1,5\nb.png,,sad,,6,\n")
    found = figures.own(listing, 16, "CW58")
    assert found.labels.tolist() == [4, 3]
    assert found.identity.tolist() == ["F1", "b"]
    assert found.votes is not None
    assert found.votes.tolist() == [[1, 0, 0, 0, 5, 0, 0], [6, 0, 0, 0, 0, 0, 0]]


def test_what_is_wrong_with_a_user_s_pictures_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Han: no folder or CSV file"):
        figures.own(tmp_path / "nowhere", 16, "Han")
    with pytest.raises(ValueError, match=r"names 0 picture\(s\), two are the least"):
        figures.own(tmp_path, 16, "Han")
    listing = tmp_path / "list.csv"
    listing.write_text("file,expression\ngone.png,anger\n")
    with pytest.raises(FileNotFoundError, match=r"line 2: no picture .*gone\.png"):
        figures.own(listing, 16, "Han")
    picture(tmp_path / "gone.png")
    listing.write_text("file,expression\ngone.png,bored\n")
    with pytest.raises(ValueError, match="'bored' is no expression"):
        figures.own(listing, 16, "Han")
    listing.write_text("picture\ngone.png\n")
    with pytest.raises(ValueError, match="a column `file` must name the picture"):
        figures.own(listing, 16, "Han")
    picture(tmp_path / "other.png")
    with pytest.raises(ValueError, match="pictures without a posture"):
        roles.cast(Roles(postures=str(tmp_path)), heads(300), None, 8, 1)


def test_a_test_corpus_that_shares_heads_with_the_training_corpus_is_refused(settings: Experiments) -> None:
    shared = dataclasses.replace(settings.statues, test=settings.statues.train)
    with pytest.raises(ValueError, match=r"shares \d+ heads"):
        _ = Study(dataclasses.replace(settings, statues=shared), Path("unused")).truth


def test_the_user_s_own_truth_must_be_labelled(settings: Experiments, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        picture(tmp_path / name)
    mine = dataclasses.replace(settings, roles=Roles(truth=str(tmp_path)))
    with pytest.raises(ValueError, match="pictures without an expression"):
        _ = Study(mine, tmp_path / "out").own_truth


def test_a_gan18k_made_from_the_tested_heads_is_refused(settings: Experiments, tmp_path: Path) -> None:
    tiny_study.generated(tmp_path / "gan", Path(settings.statues.test), Path(settings.statues.landmarker))
    leaky = dataclasses.replace(settings, gan=dataclasses.replace(settings.gan, folder=str(tmp_path / "gan")))
    study = Study(leaky, tmp_path)
    with pytest.raises(ValueError, match="rendered: 5 figures are sources of GAN18K too"):
        missing.apart(study, "rendered", study.truth)


def test_a_missing_gan18k_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="mien gan18k FACES --to"):
        gan.read(tmp_path, 48)
