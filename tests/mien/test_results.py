"""The table of results: what an answer becomes, and that every kind of file gives back what was written."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from mien import results
from mien.tables import EXPRESSIONS
from tests.mien import synthetic


def test_an_answer_is_a_row_for_each_face() -> None:
    one, two = results.rows_of("a.jpg", synthetic.reply("fear", "neutral", units={"AU12": 0.5}))
    assert (one["status"], one["face"], one["faces"], one["expression"]) == ("ok", 0, 2, "fear")
    assert (two["face"], two["expression"], two["image_width"], two["image_height"]) == (1, "neutral", 640, 480)
    assert (len(one["landmarks"]), one["landmarks"][2:4]) == (136, pytest.approx([0.1, 1 / 3]))
    assert (one["AU12"], one["model"], one["model_version"]) == (0.5, "toy", 1)
    assert set(one) == set(results.SCHEMA.names)


def test_an_answer_without_a_face_is_one_row() -> None:
    (row,) = results.rows_of("a.jpg", synthetic.reply())
    assert (row["status"], row["face"], row["faces"], row["expression"], row["model"]) == (
        "no_face",
        None,
        0,
        None,
        "toy",
    )


def test_five_landmarks_are_not_sixty_eight() -> None:
    answer = synthetic.reply("fear")
    for _ in range(5):
        answer.faces[0].face.landmarks.add(x=1, y=2)
    (row,) = results.rows_of("a.jpg", answer)
    assert (row["landmarks"], row["AU12"]) == (None, None)


def test_a_failure_is_a_row_of_its_reason() -> None:
    row = results.row_of_error("a.jpg", "not_an_image", "Send a picture.")
    assert (row["status"], row["error_code"], row["error_detail"]) == ("error", "not_an_image", "Send a picture.")
    assert row["faces"] is None


def test_a_name_that_is_not_utf_8_can_be_written(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    path = synthetic.save(results.table_of([results.row_of_error(name, "x", "")]), tmp_path)
    assert results.read([path])["image"].to_pylist() == ["caf\ufffd.jpg"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_every_kind_of_file_gives_back_what_was_written(suffix: str, tmp_path: Path) -> None:
    table = synthetic.mixed()
    path = synthetic.save(table, tmp_path, f"results{suffix}")
    assert results.read([path]).equals(table)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "nothing is left beside it"
    nothing = synthetic.save(results.SCHEMA.empty_table(), tmp_path, f"nothing{suffix}")
    assert results.read([nothing]).equals(results.SCHEMA.empty_table())


def test_text_files_hold_numbers_as_people_write_them(tmp_path: Path) -> None:
    path = synthetic.save(synthetic.mixed(), tmp_path, "results.jsonl")
    first = json.loads(path.read_text().splitlines()[0])
    assert (first["box_x"], first["AU12"], first["landmarks"][2]) == (10.1, 0.87, 0.1)


def test_parts_of_a_folder_are_read_in_order_and_half_written_ones_are_not(tmp_path: Path) -> None:
    for number in (2, 1):
        table = results.table_of([results.row_of_error(f"{number}.jpg", "x", "")])
        synthetic.save(table, tmp_path, f"part-{number}.parquet")
    (tmp_path / ".part-3.parquet").write_bytes(b"half")
    assert results.read([tmp_path])["image"].to_pylist() == ["1.jpg", "2.jpg"]


def test_columns_may_stand_in_any_order_and_there_may_be_more(tmp_path: Path) -> None:
    table = synthetic.mixed()
    turned = table.select(table.column_names[::-1]).append_column("more", pa.array(range(len(table))))
    pyarrow.parquet.write_table(turned, tmp_path / "turned.parquet")
    assert results.read([tmp_path / "turned.parquet"]).equals(table)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_missing_columns_are_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"few{suffix}"
    table = synthetic.mixed().drop_columns(["score", "fear"])
    with pytest.raises(ValueError, match="lacks the columns score, fear"):
        results.write(table, path)
    rows = table.select(["image", "status"])
    if suffix == ".parquet":
        pyarrow.parquet.write_table(rows, path)
    else:
        path.write_text('{"image": "a", "status": "ok"}\n' if suffix == ".jsonl" else "image,status\na,ok\n")
    with pytest.raises(ValueError, match=r"few.* lacks the columns error_code, error_detail, .*model_version"):
        results.read([path])


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("status", "fine", "status cannot be 'fine'"),
        ("expression", "joy", "expression cannot be 'joy'"),
        ("landmarks", [1.0, 2.0], "136 numbers, not 2"),
        ("surprise", None, "a face has no surprise"),
        ("image", None, "names no image"),
    ],
)
def test_what_cannot_be_is_said(column: str, value: object, sentence: str, tmp_path: Path) -> None:
    (row,) = results.rows_of("a.jpg", synthetic.reply("fear"))
    path = synthetic.save(results.table_of([row | {column: value}]), tmp_path)
    with pytest.raises(ValueError, match=sentence):
        results.read([path])


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR0")
    with pytest.raises(ValueError, match=r"broken\.parquet cannot be read"):
        results.read([tmp_path / "broken.parquet"])
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere\.csv"):
        results.read([tmp_path / "nowhere.csv"])
    with pytest.raises(ValueError, match=r"\.parquet, \.csv, \.jsonl"):
        results.write(synthetic.mixed(), tmp_path / "results.xlsx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no results in"):
        results.read([tmp_path / "empty"])


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = synthetic.save(synthetic.mixed(), tmp_path, "results.jsonl")
    before = path.read_bytes()

    def full(*_: object, **__: object) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(json, "dumps", full)  # a fault that cannot be had otherwise
    with pytest.raises(OSError, match="no space"):
        results.write(synthetic.mixed(), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.jsonl"]


def test_the_docstring_describes_every_column() -> None:
    told = results.__doc__ or ""
    ranges = {*EXPRESSIONS[1:-1], *results.ACTION_UNITS[1:-1]}
    assert [name for name in results.SCHEMA.names if name not in ranges and name not in told] == []
