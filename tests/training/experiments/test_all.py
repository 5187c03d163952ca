"""`mien experiment all`, tiny, end to end: everything there, nothing computed twice, a change computed again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien import cli_training
from training.experiments import outcome, page, registry, run
from training.experiments.outcome import Outcome
from training.experiments.settings import Experiments
from training.experiments.study import Study

QUICK = ["annotators"]


@pytest.fixture(scope="session")
def done(settings: Experiments, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of all experiments, and `paper.md` with them beside it."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "paper.md").write_text(f"Before.\n{page.START}\nold\n{page.END}\nAfter.\n")
    told: list[str] = []
    run.run(["all"], settings, folder, folder / "paper.md", told.append)
    assert [line.partition(":")[0] for line in told] == list(registry.EXPERIMENTS)
    return folder


def test_every_experiment_leaves_a_result_tables_and_its_facts(done: Path) -> None:
    for name in registry.EXPERIMENTS:
        result = json.loads((done / name / "result.json").read_text())
        assert result["told"], name
        assert {"fingerprint", "seed", "wall_s", "counts", "command"} <= set(result)
        for picture in result["pictures"]:
            assert (done / name / picture).stat().st_size > 500
        for table in result["tables"]:
            assert all(len(row) == len(table["head"]) for row in table["rows"]), table["title"]
            assert table["title"] in (done / name / "table.md").read_text()
        assert (done / name / "table.tex").read_text().count(r"\begin{tabular}") == len(result["tables"])


def test_all_seven_tables_and_the_missing_one_have_the_paper_s_numbers_beside(done: Path) -> None:
    text = (done / "index.html").read_text()
    for number, value in (
        (1, "99.9"),
        (2, "90.1"),
        (3, "11 of 51"),
        (4, "99.97"),
        (5, "68.5"),
        (6, "77.6"),
        (7, "78.43"),
    ):
        assert f"Table {number}." in text
        assert value in text
    for words in (
        "tested on rendered statues",
        "What helps on",
        "17 of 25",
        "0.54",
        "STAND-INS",
        "Reproduction of a leak",
    ):
        assert words in text
    assert page.NOT_YET not in text


def test_the_missing_table_has_every_classifier_and_no_head_that_was_learnt_from(
    done: Path, settings: Experiments
) -> None:
    result = json.loads((done / "statues" / "result.json").read_text())
    assert len(result["data"]["scores"]["rendered statues"]) == 11
    assert len(result["data"]["differences"]["rendered statues"]) == 5
    study = Study(settings, done)
    learnt = set(study.generated.source) | set(study._corpus[0].identity)
    assert not learnt & set(study.truth.identity)
    assert not learnt & set(study.cast.cw58.identity)


def test_the_markdown_file_gets_the_results_and_no_picture_of_a_face(done: Path) -> None:
    text = (done / "paper.md").read_text()
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
    assert "old" not in text.split()
    assert "**Table 7." in text
    beside = list((done / "paper").iterdir())
    assert beside
    assert {picture.suffix for picture in beside} == {".svg"}


def test_a_second_run_computes_nothing(done: Path, settings: Experiments, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(name: str) -> registry.Experiment:
        def computed(study: Study) -> Outcome:
            raise AssertionError(f"{name} was computed again")

        return dataclasses.replace(found(name), run=computed)

    found = registry.of
    monkeypatch.setattr(run.registry, "of", never)
    told: list[str] = []
    run.run(["all"], settings, done, None, told.append)
    assert all("done before" in line for line in told)


def test_a_changed_configuration_computes_again_what_uses_it_and_nothing_else(
    done: Path, settings: Experiments, tmp_path: Path
) -> None:
    for name in (*QUICK, "similarity"):
        shutil.copytree(done / name, tmp_path / name)
    shutil.copytree(done / "classifiers", tmp_path / "classifiers")
    trained = {path.name for path in (tmp_path / "classifiers").iterdir()}
    before = outcome.read(tmp_path / "annotators")
    told: list[str] = []
    edited = dataclasses.replace(settings, people=dataclasses.replace(settings.people, edited=3))
    run.run(["annotators", "similarity"], edited, tmp_path, None, told.append)
    assert "done before" in told[0], "annotators have nothing to do with people"
    assert "done before" not in told[1]
    assert {path.name for path in (tmp_path / "classifiers").iterdir()} == trained, "nor has any training"
    run.run(QUICK, dataclasses.replace(settings, seed=2), tmp_path, None, told.append)
    after = outcome.read(tmp_path / "annotators")
    assert before is not None
    assert after is not None
    assert "done before" not in told[2]
    assert after["data"]["votes"] != before["data"]["votes"]


def test_another_input_is_another_result(settings: Experiments, tmp_path: Path) -> None:
    corpus = tmp_path / "test"
    shutil.copytree(settings.statues.test, corpus)
    moved = dataclasses.replace(settings, statues=dataclasses.replace(settings.statues, test=str(corpus)))
    one = Study(moved, tmp_path).prints("statues")
    with (corpus / "manifest.parquet").open("ab") as manifest:
        manifest.write(b" ")
    assert Study(moved, tmp_path).prints("statues") != one


def test_what_was_not_run_says_so(tmp_path: Path) -> None:
    target = tmp_path / "paper.md"
    target.write_text(f"{page.START}\n{page.END}\n")
    page.write(tmp_path, target)
    assert target.read_text().count(page.NOT_YET) == len(registry.EXPERIMENTS)
    with pytest.raises(ValueError, match="put <!-- experiments -->"):
        page.write(tmp_path, Path(__file__).with_name("__init__.py"))


def test_the_command_does_the_same(done: Path, config: Path) -> None:
    words = ["experiment", "annotators", "people", "--to", str(done), "--config", str(config)]
    result = CliRunner().invoke(cli_training.app, words)
    assert result.exit_code == 0, result.output
    assert result.output.count("done before, nothing changed") == 2
    assert "index.html" in result.output.replace("\n", "")


def test_an_unknown_experiment_is_named(settings: Experiments, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no experiment 'statue': choose all, annotators"):
        run.run(["statue"], settings, tmp_path)
