"""A corpus: the same bytes twice, resumed where it stopped, and true to what it says."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet
import pytest

from training.clay import backdrop, corpus, head, head_model, render, scene, sheet
from training.clay.settings import Clay, from_dict, load

COUNT = 14  # one whole part of twelve pictures and a piece of the next
REAL = Path(__file__).parents[4] / "shared" / "data" / "ict_facekit"


@pytest.fixture(scope="session")
def rendered(clay: Clay, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for _ in render.render(clay, COUNT, folder, processes=1):
        pass
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = [path for kind in ("*.jpg", "*.png", "*.parquet") for path in folder.rglob(kind)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_two_runs_of_one_seed_are_the_same_bytes_and_a_stopped_one_goes_on(
    clay: Clay, rendered: Path, tmp_path: Path
) -> None:
    steps = render.render(clay, COUNT, tmp_path, processes=1)
    assert next(steps) == (0, COUNT)
    assert next(steps) == (12, COUNT)
    steps.close()  # a stop between two parts
    assert not (tmp_path / "manifest.parquet").exists()
    assert next(render.render(clay, COUNT, tmp_path, processes=1))[0] >= 12  # what was done stays done
    for _ in render.render(clay, COUNT, tmp_path, processes=2):
        pass
    assert bytes_of(tmp_path) == bytes_of(rendered)


def test_a_corpus_that_an_older_version_began_is_refused_before_any_work(
    clay: Clay, rendered: Path, tmp_path: Path
) -> None:
    shutil.copytree(rendered, tmp_path / "old")
    path = next((tmp_path / "old" / "parts").glob("*.parquet"))
    table = pyarrow.parquet.read_table(path)
    assert tuple(table.column_names) == render.COLUMNS
    pyarrow.parquet.write_table(table.drop_columns(["image"]), path)
    with pytest.raises(ValueError, match=r"older version \(no image\): choose another folder"):
        next(render.render(clay, COUNT, tmp_path / "old"))


def test_workers_end_with_the_command_even_if_it_is_killed(clay: Clay, tmp_path: Path) -> None:
    told = f"""
import dataclasses, multiprocessing, time
from pathlib import Path
from training.clay import render
from training.clay.settings import Clay
if __name__ == "__main__":
    steps = render.render(Clay(**{dataclasses.asdict(clay)!r}), 600, Path({str(tmp_path)!r}), processes=2)
    next(steps)
    next(steps)
    print(*(process.pid for process in multiprocessing.active_children()), flush=True)
    time.sleep(60)
"""
    script = tmp_path / "render_much.py"
    script.write_text(told)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(word) for word in process.stdout.readline().split()]
        process.kill()
    assert len(workers) == 2
    until = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < until, "a worker outlived the command"
        time.sleep(0.1)


def test_photographs_are_laid_beside_rendered_heads(rendered: Path, tmp_path: Path) -> None:
    found = corpus.read(rendered)
    cv2.imwrite(str(tmp_path / "one.png"), np.full((300, 300, 3), (0, 0, 255), np.uint8))
    with pytest.raises(FileNotFoundError, match=r"no yunet_faces\.json"):
        sheet.beside(found, tmp_path)
    (tmp_path / "yunet_faces.json").write_text('{"one.png": [[100, 100, 90, 120, 0.9], [5, 5, 9, 9, 0.9]]}')
    made = cv2.imread(str(sheet.beside(found, tmp_path)))
    assert made.shape == (2 * sheet.TILE_PX, 12 * sheet.TILE_PX, 3)
    assert made[60, 60] @ [1, 1, 1] < 300, "the photographed face, red, above"
    assert made[60, 60, 2] > 240
    assert (made[60, 2 * sheet.TILE_PX :] == 0).all(), "the small one is left out"
    with pytest.raises(FileNotFoundError, match="large enough"):
        (tmp_path / "yunet_faces.json").write_text('{"one.png": [[5, 5, 9, 9, 0.9]]}')
        sheet.beside(found, tmp_path)


def test_another_seed_is_other_heads_and_other_pictures(clay: Clay, rendered: Path, tmp_path: Path) -> None:
    for _ in render.render(dataclasses.replace(clay, seed=4), 2, tmp_path, processes=1):
        pass
    here, there = corpus.read(tmp_path), corpus.read(rendered)
    assert not set(here.identity) & set(there.identity)
    assert here.image(0).shape != there.image(0).shape or (here.image(0) != there.image(0)).any()


def test_a_folder_of_another_recipe_is_refused(clay: Clay, rendered: Path) -> None:
    with pytest.raises(ValueError, match=r"another recipe \(seed differ\)"):
        next(render.render(dataclasses.replace(clay, seed=4), COUNT, rendered))


def test_a_folder_of_another_head_model_is_refused_wherever_that_lies(
    clay: Clay, rendered: Path, tmp_path: Path
) -> None:
    model, folder = head_model.read(Path(clay.head_model)), tmp_path / "copy"
    shutil.copytree(rendered, folder)
    render._claim(dataclasses.replace(clay, head_model="elsewhere"), folder, model)
    moved = dataclasses.replace(model, landmarks=np.roll(model.landmarks, 1))
    with pytest.raises(ValueError, match=r"another recipe \(heads differ\)"):
        render._claim(clay, folder, moved)


def test_fewer_pictures_than_there_are_are_refused(clay: Clay, rendered: Path) -> None:
    before = bytes_of(rendered)
    with pytest.raises(ValueError, match="holds 14 pictures already"):
        next(render.render(clay, COUNT - 1, rendered))
    assert bytes_of(rendered) == before


def test_a_missing_head_model_or_corpus_is_one_sentence_that_says_what_to_do(clay: Clay, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="get ICT-FaceKit"):
        next(render.render(dataclasses.replace(clay, head_model=str(tmp_path / "none")), 1, tmp_path / "out"))
    with pytest.raises(FileNotFoundError, match="mien clay render"):
        corpus.read(tmp_path)


def test_what_the_manifest_says_is_on_the_picture(rendered: Path) -> None:
    found = corpus.read(rendered)
    assert len(found) == COUNT
    for row in range(COUNT):
        image, mask = found.image(row), found.mask(row)
        assert image.shape == (found.size[row, 1], found.size[row, 0], 3)
        assert mask.shape == image.shape[:2]
        inside = found.landmarks[row][found.visible[row]].astype(int)
        assert (mask[inside[:, 1], inside[:, 0]] > 0).mean() > 0.9  # visible landmarks lie on the statue
        x, y, width, height = found.box[row]
        low, high = found.landmarks[row].min(0), found.landmarks[row].max(0)
        assert x - 0.1 * width <= low[0] <= high[0] <= x + 1.1 * width
        assert y - 0.1 * height <= low[1] <= high[1] <= y + 1.1 * height
    assert ((found.action_units >= 0) & (found.action_units <= 1)).all()


def test_pictures_of_a_scene_differ_in_the_face_alone(rendered: Path) -> None:
    found = corpus.read(rendered)
    for row in range(0, COUNT, 2):
        assert found.identity[row] == found.identity[row + 1]
        assert (found.pose[row] == found.pose[row + 1]).all()
        assert found.material[row] == found.material[row + 1]
        assert found.light[row] == found.light[row + 1]
        one, other = found.image(row).astype(int), found.image(row + 1).astype(int)
        corner = np.s_[:4, :4]  # background: the same but for the file's compression
        assert np.abs(one[corner] - other[corner]).mean() < 6


def test_a_positive_yaw_turns_the_nose_to_the_right_and_a_positive_roll_leans_clockwise(clay: Clay) -> None:
    random = np.random.default_rng(0)
    carved = head.carve(head_model.read(Path(clay.head_model)), random)
    drawn = scene.draw(clay, backdrop.photos(""), random)
    face = carved.making({})

    def eyes_and_nose(yaw: float, pitch: float, roll: float) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        posed = dataclasses.replace(drawn, pose=(yaw, pitch, roll))
        points = scene.photograph(carved, face, posed, clay).landmarks
        right, left = points[36:42].mean(0), points[42:48].mean(0)
        return left - right, points[30] - (left + right) / 2

    level, straight = eyes_and_nose(0, 0, 0)
    assert eyes_and_nose(30, 0, 0)[1][0] > straight[0] + 2
    assert eyes_and_nose(0, 20, 0)[1][1] < straight[1]  # looking up
    leaning = eyes_and_nose(0, 0, 15)[0]
    assert np.degrees(np.arctan2(leaning[1], leaning[0]) - np.arctan2(level[1], level[0])) == pytest.approx(15, abs=1.5)


def test_sheets_and_statistics_are_drawn(rendered: Path) -> None:
    page = sheet.write(corpus.read(rendered))
    assert "14 pictures of 7 heads" in page.read_text()
    assert (page.parent / "sheet.jpg").stat().st_size > 10_000


def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown key 'sead'"):
        from_dict({"name": "x", "sead": 1})
    (tmp_path / "mine.toml").write_text("seed = 9\n")
    assert load(tmp_path / "mine.toml") == Clay("mine", 9)


@pytest.mark.skipif(not REAL.exists(), reason="ICT-FaceKit is not there (../shared/data/ict_facekit)")
def test_the_real_head_model_has_every_shape_that_the_units_need() -> None:
    from training.clay.units import GAZES, NUISANCES, SHAPES

    model = head_model.read(REAL)
    stems = {name.removesuffix("_L").removesuffix("_R") for name in model.expressions}
    needed = {shape for shapes in SHAPES.values() for shape, _ in shapes} | {*NUISANCES, *GAZES}
    assert needed <= stems
    left, right = model.neutral[model.landmarks[45]], model.neutral[model.landmarks[36]]
    assert left[0] > 0 > right[0]
