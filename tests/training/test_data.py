"""Readers: the label rule, who is left out, and what a wrong folder is told."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data import ferplus, folder, rafdb, sources
from training.data.faces import EXPRESSIONS, held_out


def label(*votes: int) -> tuple[bool, int, list[float]]:
    kept, targets, labels = ferplus.label_rows(np.array([votes], np.uint8))
    return bool(kept[0]), int(labels[0]), targets[0].tolist()


def test_the_label_is_the_column_with_the_most_votes_and_the_target_their_shares() -> None:
    assert label(0, 6, 2, 0, 0, 0, 0, 2, 0, 0) == (True, 1, pytest.approx([0, 0.75, 0.25, 0, 0, 0, 0]))


def test_a_single_vote_is_an_outlier_unless_all_are_single() -> None:
    assert label(9, 1, 0, 0, 0, 0, 0, 0, 0, 0)[2][:2] == [1.0, 0.0]
    assert label(1, 1, 0, 0, 0, 0, 0, 0, 0, 0)[2][:2] == [0.5, 0.5]


def test_the_first_column_wins_a_tie() -> None:
    assert label(0, 0, 0, 5, 5, 0, 0, 0, 0, 0)[1] == 3


@pytest.mark.parametrize("column", [7, 8, 9])
def test_contempt_unknown_and_no_face_are_left_out(column: int) -> None:
    votes = [0] * 10
    votes[column] = 6
    assert not label(*votes)[0]
    assert not label(*[0] * 10)[0], "no votes at all"


def test_the_two_csv_files_are_read_and_duplicates_of_evaluation_rows_dropped(tmp_path: Path) -> None:
    uses = ["Training", "Training", "PublicTest", "PrivateTest", "Training"]
    pixels = [10, 20, 20, 30, 30]  # rows 1 and 4 also occur in an evaluation split
    (tmp_path / "fer2013.csv").write_text(
        "emotion,pixels,Usage\n"
        + "".join(f"0,{' '.join([str(p)] * 2304)},{u}\n" for p, u in zip(pixels, uses, strict=True))
    )
    heads = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
    (tmp_path / "fer2013new.csv").write_text(heads + "".join(f"{u},f.png,0,9,0,0,0,0,0,0,1,0\n" for u in uses))
    split = sources.read("ferplus", str(tmp_path))
    assert split.train.faces[:, 0, 0].tolist() == [10]
    assert split.validation.faces[:, 0, 0].tolist() == [20]
    assert split.validation.labels.tolist() == [1]


@pytest.fixture
def raf(tmp_path: Path) -> Path:
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "Image" / "aligned").mkdir(parents=True)
    lines = []
    for number in range(1, 61):
        for side in ("train", "test"):
            name = f"{side}_{number:05}"
            lines.append(f"{name}.jpg {number % 7 + 1}")
            face = np.full((100, 100, 3), 200 if side == "test" else 20 + number % 7, np.uint8)
            cv2.imwrite(str(tmp_path / "Image" / "aligned" / f"{name}_aligned.jpg"), face)
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_rafdb_labels_are_mapped_by_name_and_its_test_rows_never_read(raf: Path) -> None:
    split = rafdb.read(raf)
    faces = np.concatenate([split.train.faces, split.validation.faces])
    labels = np.concatenate([split.train.labels, split.validation.labels])
    assert faces.shape == (60, 100, 100)
    assert faces.max() < 100, "a test picture was read"
    assert 0 < len(split.validation) < 20
    ids = np.round(faces.mean((1, 2))).astype(int) - 20  # 0 was labelled 1, surprise, and so on
    assert [EXPRESSIONS[at] for at in labels] == [rafdb.LABELS[number] for number in ids]


def test_rafdb_s_test_rows_are_read_when_they_are_asked_for_alone(raf: Path) -> None:
    table = rafdb.test(raf)
    assert table.faces.shape == (60, 100, 100)
    assert table.faces.min() == 200, "a training picture was read"


def test_rafdb_says_what_is_missing(raf: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="list_patition_label"):
        rafdb.read(tmp_path / "nothing")
    next((raf / "Image" / "aligned").glob("train_*")).unlink()
    with pytest.raises(FileNotFoundError, match="missing"):
        rafdb.read(raf)


@pytest.mark.parametrize("line", ["train_00001.jpg 8", "train_00001.jpg", "train_00001.jpg five"])
def test_rafdb_refuses_a_label_that_is_none(raf: Path, line: str) -> None:
    (raf / "EmoLabel" / "list_patition_label.txt").write_text(line)
    with pytest.raises(ValueError, match="id of 1 to 7"):
        rafdb.read(raf)


def test_a_class_folder_is_split_by_person(tmp_path: Path) -> None:
    persons = [f"p{number}" for number in range(40)]
    for person in persons:
        for name, size in (("Happy", (50, 80)), ("SAD", (200, 150))):
            (tmp_path / name).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / name / f"{person}_1.png"), np.full((*size, 3), int(person[1:]), np.uint8))
    split = folder.read(tmp_path)
    sides = [set(table.faces[:, 0, 0].tolist()) for table in (split.train, split.validation)]
    assert not sides[0] & sides[1]
    assert sides[1] == {int(person[1:]) for person in persons if held_out(person, folder.VALIDATION_SHARE)}
    assert split.train.faces.shape[1:] == (112, 112)
    assert set(split.train.labels.tolist()) == {EXPRESSIONS.index("happiness"), EXPRESSIONS.index("sadness")}


@pytest.mark.parametrize(
    ("path", "person"),
    [("happy/anna_01.jpg", "anna"), ("happy/anna-b.jpg", "anna"), ("happy/anna/x_1.jpg", "anna"), ("sad/17.jpg", "17")],
)
def test_the_person_is_the_folder_or_what_stands_before_the_first_dash(path: str, person: str) -> None:
    assert folder.person(Path(path)) == person


def test_a_class_folder_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="one folder per expression"):
        folder.read(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no picture"):
        folder.read(tmp_path)
    (tmp_path / "happy").mkdir()
    cv2.imwrite(str(tmp_path / "happy" / "anna_1.png"), np.zeros((9, 9), np.uint8))
    with pytest.raises(ValueError, match="1 person"):
        folder.read(tmp_path)
    (tmp_path / "happy" / "bob_1.png").write_text("not a picture")
    (tmp_path / "elated").mkdir()
    with pytest.raises(ValueError, match="elated"):
        folder.read(tmp_path)


def test_an_unknown_source_is_told_the_choices() -> None:
    with pytest.raises(ValueError, match="ferplus, rafdb, folder"):
        sources.read("affectnet", ".")
    with pytest.raises(FileNotFoundError, match="fer2013new"):
        sources.read("ferplus", "/nowhere")
