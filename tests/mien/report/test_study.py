"""The figures: a planted difference is found, one that is not there is not, and nothing is claimed without faces."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from mien import results
from mien.report import coding
from mien.report.faces import everybody, gather
from mien.report.groups import assign
from mien.report.study import Study, study
from mien.report.telling import summary, warnings
from mien.tables import EXPRESSIONS
from tests.mien import synthetic

PLANTED = {"sitting": {"neutral": 60, "fear": 20}, "standing": {"neutral": 40, "fear": 60}}


def measured(table: pa.Table, by: str | None, file: Path | None = None) -> Study:
    groups = assign(table, by, file)
    return study(by, everybody(table, groups), gather(table, groups), groups.unmatched)


def by_folder(table: pa.Table, folder: Path, label: str = "") -> Study:
    images = dict.fromkeys(table["image"].to_pylist())
    lines = [f"{image},{image.split('/')[0]},{label}" for image in images]
    return measured(table, "place", synthetic.groups_file(folder, ["image,place,label", *lines]))


def test_a_planted_difference_is_found(tmp_path: Path) -> None:
    found = by_folder(synthetic.table(PLANTED), tmp_path)
    sure = {one.expression: one for one in found.differences if one.estimate.excludes_zero}
    assert set(sure) == {"neutral", "fear"}
    assert sure["fear"].group == "sitting"
    assert sure["fear"].estimate.value == pytest.approx(20 / 80 - 60 / 100)
    assert sure["fear"].together
    assert "The clearest difference: sitting shows" in summary(found)
    assert "35.0 points" in summary(found)


def test_where_nothing_differs_nothing_is_found(tmp_path: Path) -> None:
    same = {"neutral": 30, "fear": 15}
    found = by_folder(synthetic.table({"sitting": same, "standing": same}), tmp_path)
    assert len(found.differences) == len(EXPRESSIONS), "of two groups one says it all"
    assert not any(one.estimate.excludes_zero for one in found.differences)
    assert "No difference" in summary(found)


def test_three_groups_are_each_put_against_the_rest(tmp_path: Path) -> None:
    found = by_folder(synthetic.table({"a": {"fear": 3}, "b": {"fear": 1, "anger": 1}, "c": {"anger": 5}}), tmp_path)
    assert (len(found.differences), found.comparisons) == (21, 21)
    (b,) = [one for one in found.differences if (one.group, one.expression) == ("b", "anger")]
    assert (b.here, b.rest) == (1 / 2, 5 / 8)


def test_groups_are_counted_in_images_and_faces() -> None:
    table = synthetic.mixed()
    found = measured(table, None).total
    assert (found.images, found.empty, found.failed, found.faces) == (4, 1, 1, 3)
    assert [share.value for share in found.shares] == pytest.approx([1 / 3, 1 / 3, 0, 0, 0, 0, 1 / 3])
    assert found.means[0].value == pytest.approx((0.05 + 0.05 + 1 / 3) / 3, abs=1e-6)
    assert found.confidence == pytest.approx((0.7 + 0.7 + 1 / 3) / 3, abs=1e-6)


def test_answers_of_two_models_are_not_pooled() -> None:
    table = synthetic.table({"a": {"fear": 2}})
    other = table.set_column(table.column_names.index("model_version"), "model_version", pa.array([1, 2], pa.int32()))
    with pytest.raises(ValueError, match=r"different models \(toy 1, toy 2\).*--by model"):
        measured(other, None)
    with pytest.raises(ValueError, match="different models"):
        measured(other, "expression")
    assert [group.name for group in measured(other, "model").groups] == ["toy 1", "toy 2"]


def test_what_a_reader_must_know_is_said_first(tmp_path: Path) -> None:
    table = synthetic.table(PLANTED)
    file = synthetic.groups_file(tmp_path, ["image,place", "sitting_0.jpg,here"])
    told = warnings(measured(table, "place", file))
    assert told[0].startswith("179 rows of the results found no group")
    assert told[1].startswith("179 faces without a place")
    assert "not independent" in warnings(measured(synthetic.mixed(), "face"))[-1]
    assert warnings(measured(table, None)) == []


def test_units_that_come_together_have_the_highest_lift() -> None:
    units = [{"AU06": 0.8, "AU12": 0.9}, {"AU01": 0.9, "AU25": 0.5}, {}, {"AU12": 0.6}]
    rows = [
        row
        for number in range(40)
        for row in results.rows_of(f"{number}.jpg", synthetic.reply("happiness", units=units[number % 4]))
    ]
    found = measured(results.table_of(rows), None)
    assert [(pair.one, pair.other) for pair in found.pairs] == [("AU01", "AU25"), ("AU06", "AU12")]
    assert [pair.lift for pair in found.pairs] == [4, 2]
    assert (found.pairs[1].both, found.pairs[1].expected) == (10, 5)
    (smile,) = [unit for unit in found.units if unit.name == "AU12"]
    assert (smile.expression, smile.mean, smile.share) == ("happiness", pytest.approx((0.9 + 0.6 + 0.1 + 0.1) / 4), 0.5)
    assert set(coding.NAMES) == set(results.ACTION_UNITS)


def test_a_pair_in_four_faces_is_left_to_chance() -> None:
    rows = [
        row
        for number in range(4)
        for row in results.rows_of(f"{number}.jpg", synthetic.reply("fear", units={"AU01": 0.8, "AU02": 0.9}))
    ]
    assert measured(results.table_of(rows), None).pairs == ()


def test_labels_give_accuracy_confusion_and_calibration(tmp_path: Path) -> None:
    found = by_folder(synthetic.table(PLANTED), tmp_path, "fear").agreement
    assert [one.group for one in found] == ["(all)", "sitting", "standing"]
    assert (found[0].accuracy.value, found[1].accuracy.value) == (80 / 180, 20 / 80)
    assert (found[0].confusion[6][0], found[0].confusion[6][6]) == (100, 80)
    assert found[0].calibration == pytest.approx(0.7 - 80 / 180)


def test_a_label_says_nothing_of_an_image_with_two_faces(tmp_path: Path) -> None:
    table = results.table_of(results.rows_of("a.jpg", synthetic.reply("fear", "anger")))
    assert measured(table, None, synthetic.groups_file(tmp_path, ["image,label", "a.jpg,fear"])).agreement == ()


def test_numbered_groups_stand_in_their_order(tmp_path: Path) -> None:
    table = synthetic.table({"10": {"fear": 1}, "9": {"fear": 1}, "b": {"fear": 1}})
    assert [group.name for group in by_folder(table, tmp_path).groups] == ["9", "10", "b"]
