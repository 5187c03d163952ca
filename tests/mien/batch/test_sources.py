"""What is read: which photos, under which ids, in which order."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mien.batch.reading import Files
from mien.batch.refusals import RefusalError
from mien.batch.sources import in_reading_order, listing


def ids(*arguments: object, stdin: str = "") -> list[str]:
    return [photo.id for photo in listing(map(str, arguments), io.StringIO(stdin))]


def touch(path: Path, data: bytes = b"photo") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_shard(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as shard:
        for name, data in members.items():
            member = tarfile.TarInfo(f"{name.replace('_', '/')}.jpg" if name != "label" else "label.txt")
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    return path


def test_a_folder_gives_its_images_by_their_path_in_it_sorted(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/z.png", "a/b/c.webp", "notes.txt", ".hidden.jpg"):
        touch(tmp_path / name)
    assert ids(tmp_path) == ["a/b/c.webp", "a/z.png", "b.JPG"]


def test_files_globs_lists_and_stdin_give_the_path_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/1.jpg", "in/2.jpg", "in/deep/3.jpg", "in/strange"):
        touch(tmp_path / name)
    Path("list.txt").write_text("in/2.jpg\n\nin/1.jpg\n")
    assert ids("./in/strange") == ["in/strange"]
    assert ids("in/*.jpg") == ids("@list.txt") == ids("-", stdin="in/1.jpg\nin/2.jpg\n") == ["in/1.jpg", "in/2.jpg"]
    assert ids("in/**/*.jpg") == ["in/1.jpg", "in/2.jpg", "in/deep/3.jpg"]


def test_a_name_with_the_signs_of_a_glob_is_a_name_where_there_is_such_a_file(tmp_path: Path) -> None:
    touch(tmp_path / "[1].jpg")
    touch(tmp_path / "1.jpg")
    assert ids(tmp_path / "[1].jpg") == [str(tmp_path / "[1].jpg")]


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_a_shards_images_are_read_in_any_order(tmp_path: Path, kind: str) -> None:
    big = os.urandom(100_000)
    shard = write_shard(tmp_path / f"s.{kind}", b_2=b"two", label=b"happy", a=big, c=b"three")
    photos = listing([str(shard)])
    assert [photo.id for photo in photos] == [f"s.{kind}:a.jpg", f"s.{kind}:b/2.jpg", f"s.{kind}:c.jpg"]
    read = Files(tmp_path)
    assert [read(photo) for photo in photos] == [big, b"two", b"three"]
    assert [read(photo) for photo in reversed(photos)] == [b"three", b"two", big]
    read.close()
    assert [path.name for path in tmp_path.iterdir()] == [shard.name]


def test_more_shards_than_are_held_open_are_read(tmp_path: Path) -> None:
    for number in range(9):
        write_shard(tmp_path / f"{number}.tar", a=b"%d" % number)
    photos = listing([str(tmp_path / "*.tar")])
    read = Files(tmp_path)
    assert [read(photo) for photo in photos + photos] == [b"%d" % number for number in range(9)] * 2


def test_a_shard_that_is_compressed_but_does_not_say_so_is_read(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "s.tar.gz", a=b"one").rename(tmp_path / "s.tar")
    (photo,) = listing([str(shard)])
    assert Files(tmp_path)(photo) == b"one"


def test_a_shard_cut_off_is_named(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "s.tar.gz", a=os.urandom(50_000), b=b"2")
    shard.write_bytes(shard.read_bytes()[:20_000])
    with pytest.raises(RefusalError, match=r"s\.tar\.gz cannot be read"):
        listing([str(shard)])


def test_two_photos_with_one_id_are_both_named(tmp_path: Path) -> None:
    touch(tmp_path / "one" / "a.jpg")
    touch(tmp_path / "two" / "a.jpg")
    with pytest.raises(RefusalError, match=r"one/a\.jpg and .*two/a\.jpg would both be 'a\.jpg'"):
        listing([str(tmp_path / "one"), str(tmp_path / "two")])


def test_a_photo_named_twice_is_one(tmp_path: Path) -> None:
    photo = touch(tmp_path / "a.jpg")
    assert len(ids(photo, tmp_path / "." / "a.jpg", tmp_path / "*.jpg")) == 1


def test_what_is_not_there_is_refused_but_not_in_a_list(tmp_path: Path) -> None:
    gone = tmp_path / "gone.jpg"
    for wish in (gone, tmp_path / "*.gif", f"@{gone}", tmp_path):
        with pytest.raises(RefusalError):
            listing([str(wish)])
    (photo,) = listing(["-"], [f"{gone}\n"])
    assert (photo.id, photo.size_bytes) == (str(gone), -1)


def test_a_name_that_is_no_text_is_spelt_out(tmp_path: Path) -> None:
    touch(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")))
    assert ids(tmp_path) == ["caf\\xe9.jpg"]


def test_a_table_of_pictures_gives_its_rows_by_their_id_and_their_bytes(tmp_path: Path) -> None:
    table = tmp_path / "pictures.parquet"
    images = pa.array([b"third", b"first", b"second", None], pa.binary())
    pq.write_table(pa.table({"id": ["c", "a", "b", "d"], "image": images}), table, row_group_size=2)
    photos = listing([str(table)])
    assert [photo.id for photo in photos] == ["a", "b", "c", "d"]
    assert [photo.id for photo in in_reading_order(photos)] == ["c", "a", "b", "d"]
    files = Files(tmp_path)
    assert [files(photo) for photo in photos[:3]] == [b"first", b"second", b"third"]
    with pytest.raises(OSError, match="holds no picture"):
        files(photos[3])
    files.close()


@pytest.mark.parametrize("columns", [{"id": ["a"]}, {"image": [b"x"]}, {"id": ["a"], "image": ["a path"]}])
def test_a_table_of_something_else_is_refused(tmp_path: Path, columns: dict[str, list[object]]) -> None:
    pq.write_table(pa.table(columns), tmp_path / "other.parquet")
    with pytest.raises(RefusalError, match="needs the columns id and image"):
        ids(tmp_path / "other.parquet")


def test_two_rows_of_one_id_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "a"], "image": [b"x", b"y"]}), tmp_path / "twice.parquet")
    with pytest.raises(RefusalError, match="would both be 'a'"):
        ids(tmp_path / "twice.parquet")
