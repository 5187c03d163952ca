"""`mien report` on the command line: what it writes, and one sentence for each mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien import results
from mien.cli import app
from tests.conftest import ROOT
from tests.mien import synthetic


def call(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["report", *words])
    return result.exit_code, result.output


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return synthetic.save(synthetic.table({"a": {"fear": 2}, "b": {"neutral": 2}}), tmp_path)


def test_a_report_is_three_files(source: Path, tmp_path: Path) -> None:
    code, output = call(str(source), "--to", str(tmp_path / "new" / "page.html"), "--by", "expression")
    assert code == 0, output
    assert sorted(entry.name for entry in (tmp_path / "new").iterdir()) == ["page.csv", "page.html", "page.md"]
    assert all(f"page.{suffix}" in output for suffix in ("html", "csv", "md"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--to", "page.txt"], "the page's name ends in .html"),
        (["--to", "page.html", "--by", "posture"], "cannot group by 'posture'"),
        (["--to", "page.html", "--groups", "nowhere.csv"], "there is no groups file nowhere.csv"),
        (["--to", "page.html", "--images", "nowhere"], "there is no folder nowhere"),
        (["nowhere.parquet", "--to", "page.html"], "there is no file nowhere.parquet"),
        (["README.md", "--to", "page.html"], "README.md: a table ends in .parquet, .csv, .jsonl"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    words: list[str], sentence: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    code, output = call(str(source), *words)
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output
    assert not Path("page.html").exists()


def test_reports_need_nothing_but_the_client(source: Path, tmp_path: Path) -> None:
    """As after `pip install mien`: without numpy, matplotlib, Pillow and the services."""
    gone = ("numpy", "matplotlib", "PIL", "cv2", "services", "training", "torch")
    start = f"import sys; sys.modules.update(dict.fromkeys({gone!r})); from mien.cli import app; app()"
    words = ["report", str(source), "--to", str(tmp_path / "page.html")]
    subprocess.run([sys.executable, "-c", start, *words], check=True, cwd=ROOT, capture_output=True)
    run = [sys.executable, "-c", start, *words, "--images", str(tmp_path)]
    asked = subprocess.run(run, check=False, cwd=ROOT, capture_output=True, text=True)
    assert asked.returncode == 2
    assert "pip install 'mien[cpu]'" in asked.stderr


def test_the_other_verbs_do_not_wait_for_arrow() -> None:
    code = "import sys; import mien.cli; assert 'pyarrow' not in sys.modules; assert 'mien.report' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_table_that_is_written_can_be_reported(tmp_path: Path) -> None:
    for suffix in (".parquet", ".csv", ".jsonl"):
        path = synthetic.save(synthetic.mixed(), tmp_path, f"results{suffix}")
        code, output = call(str(path), "--to", str(tmp_path / f"{suffix[1:]}_page.html"))
        assert code == 0, output
    pages = [
        (tmp_path / f"{suffix}_page.md").read_text().split("## How this")[0] for suffix in ("parquet", "csv", "jsonl")
    ]
    assert pages[0] == pages[1] == pages[2]
    assert len(results.read([tmp_path / "results.csv"])) == 5
