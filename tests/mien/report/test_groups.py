"""Who belongs to which group, by a column or by a file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from mien.report.groups import assign, match
from tests.mien import synthetic

TABLE = synthetic.table({"a": {"fear": 1}, "b": {"neutral": 2}})  # a/a_0.jpg, b/b_0.jpg, b/b_1.jpg


def test_a_column_of_the_results_groups(tmp_path: Path) -> None:
    assert assign(TABLE, "expression", None).names == ["fear", "neutral", "neutral"]
    assert assign(TABLE, "model", None).names == ["toy 1"] * 3
    assert assign(TABLE, None, None).names == ["all"] * 3


def test_images_are_joined_by_id_and_by_file_name(tmp_path: Path) -> None:
    file = synthetic.groups_file(tmp_path, ["place,image", "007,a/a_0.jpg", "08,b_0.jpg"])
    found = assign(TABLE, "place", file)
    assert found.names == ["007", "08", None], "numbers stay as they are written"
    assert found.unmatched == 1


def test_the_first_column_joins_where_none_is_called_image(tmp_path: Path) -> None:
    file = synthetic.groups_file(tmp_path, ["file,place", "C:\\photos\\a_0.jpg,here"])
    assert assign(TABLE, "place", file).names == ["here", None, None]


def test_a_parquet_file_joins_too(tmp_path: Path) -> None:
    content = pa.table({"image": ["a_0.jpg", "b_0.jpg"], "place": [3, None], "box": [[1.0], [2.0]]})
    pyarrow.parquet.write_table(content, tmp_path / "groups.parquet")
    found = assign(TABLE, "place", tmp_path / "groups.parquet")
    assert (found.names, found.unmatched) == (["3", None, None], 1)


def test_the_exact_id_goes_before_the_name() -> None:
    rows = [("x/1.jpg", ("right",)), ("y/1.jpg", ("wrong",))]
    assert match(["x/1.jpg"], rows) == {"x/1.jpg": ("right",)}


def test_a_name_that_could_be_two_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'1\.jpg' is in the groups file more than once"):
        match(["z/1.jpg"], [("x/1.jpg", ("one",)), ("y/1.jpg", ("other",))])
    with pytest.raises(ValueError, match=r"'1\.jpg' could be 'x/1\.jpg' or 'y/1\.jpg'"):
        match(["x/1.jpg", "y/1.jpg"], [("1.jpg", ("one",))])
    same = [("x/1.jpg", ("one",)), ("y/1.jpg", ("one",))]
    assert match(["z/1.jpg"], same) == {"z/1.jpg": ("one",)}, "two rows that say the same are no riddle"


def test_a_file_of_other_images_is_told_with_an_example_of_each(tmp_path: Path) -> None:
    file = synthetic.groups_file(tmp_path, ["image,place", "other.jpg,here"])
    with pytest.raises(ValueError, match=r"called like 'a/a_0\.jpg', its column 'image' has 'other\.jpg'"):
        assign(TABLE, "place", file)


def test_labels_come_with_the_groups(tmp_path: Path) -> None:
    file = synthetic.groups_file(tmp_path, ["image,label", "a_0.jpg, Fear ", "b_0.jpg,"])
    found = assign(TABLE, "expression", file)
    assert found.labels == ["fear", None, None]
    assert found.names == ["fear", "neutral", "neutral"], "a column that the file has not is one of the results"
    file = synthetic.groups_file(tmp_path, ["image,label", "a_0.jpg,joy"])
    with pytest.raises(ValueError, match="the label 'joy' is none of neutral, happiness"):
        assign(TABLE, None, file)


@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        ("posture", "cannot group by 'posture': choose one of image, place, status"),
        ("landmarks", "cannot group by 'landmarks'"),
        ("happiness", "cannot group by 'happiness'"),
        ("error_code", "no row has a value of error_code"),
    ],
)
def test_a_column_that_cannot_group_is_refused(by: str, sentence: str, tmp_path: Path) -> None:
    file = synthetic.groups_file(tmp_path, ["image,place", "a_0.jpg,here"])
    with pytest.raises(ValueError, match=sentence):
        assign(TABLE, by, file)


def test_a_groups_file_without_a_choice_asks_for_one(tmp_path: Path) -> None:
    file = synthetic.groups_file(tmp_path, ["image,place,light", "a_0.jpg,here,dim"])
    with pytest.raises(ValueError, match="to group by: --by place, light"):
        assign(TABLE, None, file)


def test_too_many_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="image has 31 different values"):
        assign(synthetic.table({"a": {"fear": 31}}), "image", None)


def test_a_groups_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no groups file"):
        assign(TABLE, "place", tmp_path / "nowhere.csv")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ValueError, match="is empty"):
        assign(TABLE, "place", tmp_path / "empty.csv")
