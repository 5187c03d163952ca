"""The verbs: what a person is told, and that every configuration in the project loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from mien import cli_training
from tests.training.conftest import ROOT
from tests.training.tiny_run import patterned
from training.clay.settings import load as load_clay
from training.config import load
from training.experiments.settings import load as load_experiments

CONFIGS = sorted((ROOT / "training" / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_loads(path: Path) -> None:
    readers = {"clay": load_clay, "experiments": load_experiments}
    assert readers.get(path.stem.partition("_")[0], load)(path).name == path.stem


def test_the_published_recipe_is_the_paper_s() -> None:
    paper = load(ROOT / "training" / "configs" / "paper_arm.toml")
    assert (paper.model.method, paper.loss.kind, paper.loss.gamma, paper.loss.alpha) == ("arm", "focal", 2.0, (0.25,))
    assert (paper.optimizer.kind, paper.optimizer.lr, paper.optimizer.decay, paper.optimizer.ema) == (
        "adam",
        1e-4,
        0.9,
        0,
    )
    assert paper.train.batch == 32


def call(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli_training.app, list(words))
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "nowhere.toml"], "nowhere.toml"),
        (["evaluate"], "name a configuration"),
        (["evaluate", "--model", "nowhere.onnx"], "name the configuration too"),
        (["compare", "nowhere"], "no report in nowhere"),
        (["experiment", "all", "--to", "made", "--config", "nowhere.toml"], "nowhere.toml"),
        (["gan18k", "faces", "--to", "made", "--models", "nowhere"], "no model in nowhere/expression_generator"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(words: list[str], sentence: str) -> None:
    code, output = call(*words)
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output


def test_a_misspelt_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("[train]\nepoch = 3\n")
    code, output = call("train", str(tmp_path / "wrong.toml"))
    assert (code, "unknown key 'epoch'" in output) == (2, True)


def test_a_run_goes_from_configuration_to_report_to_version(
    small: None, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = patterned(84)
    for number, face in enumerate(table.faces):
        folder = tmp_path / "faces" / ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear")[number % 7]
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), face)
    recipe = tmp_path / "few.toml"
    recipe.write_text(
        f'[data]\nsource = "folder"\npath = "{tmp_path / "faces"}"\n'
        "[train]\nepochs = 1\nbatch = 16\nthreads = 1\nautocast = false\n"
    )
    monkeypatch.chdir(tmp_path)
    for words in (["train"], ["evaluate"], ["export", "--to", str(repository)]):
        code, output = call(words[0], str(recipe), *words[1:])
        assert code == 0, output
    assert (tmp_path / "runs" / "few" / "report.html").exists()
    model = repository / "expression_classifier" / "1" / "model.onnx"
    assert call("evaluate", "--model", str(model))[0] == 0, "its card says on which data"
    code, output = call("compare", "runs/few", "runs/few_exported")
    assert code == 0
    assert "accuracy" in output


def test_the_verbs_can_be_registered_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import mien.cli_training; assert 'training' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
