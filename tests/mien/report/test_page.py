"""The page stands alone, escapes what is data, and says so when there is nothing to say."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from mien import results
from mien.report.sheets import most_confident
from mien.report.write import write
from mien.tables import EXPRESSIONS
from tests.mien import synthetic

EVIL = "<script>alert('x')</script>.jpg"


class Balance(HTMLParser):
    """Fails where a tag is closed that was not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A page with every section."""
    table, groups = synthetic.crowd(images=120)
    (tmp_path / "groups.csv").write_text(groups)
    (tmp_path / "images").mkdir()
    page = tmp_path / "page.html"
    source = synthetic.save(table, tmp_path)
    write([source], page, by="posture", groups_file=tmp_path / "groups.csv", images=tmp_path / "images")
    return page


def made(table: pa.Table, folder: Path, **options: object) -> str:
    page = folder / "page.html"
    write([synthetic.save(table, folder)], page, **options)  # type: ignore[arg-type]
    return page.read_text()


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (640, 480)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def test_the_page_stands_alone(whole: Path) -> None:
    text = whole.read_text()
    assert not re.search(r"https?://|(src|href)=\"(?!data:)|@import|url\(|<script|<link", text)
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    svgs = [values for tag, values in parser.seen if tag == "svg"]
    assert all(values.get("aria-label") or values.get("aria-hidden") for values in svgs), "pictures have words"


def test_the_page_keeps_its_order(whole: Path) -> None:
    text = whole.read_text()
    assert text.index("An expression shown is not an emotion felt.") < text.index('class="summary"')
    assert re.findall(r"<h2>(.*?)</h2>", text) == [
        "What the faces show",
        "Shares with their intervals",
        "Mean probabilities",
        "Differences between the groups",
        "Action units by expression",
        "Action units that come together",
        "How sure, and how right",
        "What is taken for what",
        *(f"What is taken for what: {posture}" for posture in re.findall(r'<div class="group"><b>(\w+)<', text)),
        "Examples",
        "Failures",
        "How this was made",
    ]
    legend = re.search(r'<ul class="legend">.*?</ul>', text)
    assert legend is not None
    assert tuple(re.findall(r"</svg>(\w+)", legend[0])) == EXPRESSIONS


def test_the_same_figures_are_tidy_beside_it(whole: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(whole.with_suffix(".csv").read_text())))
    assert list(lines[0]) == ["group", "measure", "expression", "value", "low", "high", "n"]
    groups = ("(all)", "reclining", "sitting", "standing")
    for group in groups:
        shares = [line for line in lines if (line["group"], line["measure"]) == (group, "share")]
        assert tuple(line["expression"] for line in shares) == EXPRESSIONS
        assert sum(float(line["value"]) for line in shares) == pytest.approx(1, abs=1e-5)
        assert all(float(line["low"]) <= float(line["value"]) <= float(line["high"]) for line in shares)
    measures = {line["measure"] for line in lines}
    assert measures >= {"images", "mean_probability", "share_minus_rest", "AU12_mean", "AU12_present", "accuracy",
                        "calibration_error", "labelled_fear", "failed_not_an_image"}  # fmt: skip
    assert {line["group"] for line in lines} == set(groups)


def test_markdown_says_the_same(whole: Path) -> None:
    text = whole.with_suffix(".md").read_text()
    assert "## Examples" not in text, "nothing is promised that is not there"
    assert "> An expression shown is not an emotion felt." in text
    assert re.search(r"^\| sitting \| \d+ \| \d+ \| 0 \| \d+ \| [\d.]+ \([\d.]+–[\d.]+\)", text, re.MULTILINE)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in table.replace("\\|", "").splitlines()}) == 1, table


def test_what_comes_from_data_is_escaped(tmp_path: Path) -> None:
    rows = [
        *results.rows_of(EVIL, synthetic.reply("fear")),
        results.row_of_error(f"other{EVIL}", "<b>code", f'"{EVIL}'),
    ]
    file = synthetic.groups_file(tmp_path, ["image,<i>by", f"{EVIL},<u>group|"])
    (tmp_path / "images").mkdir()
    text = made(
        results.table_of(rows),
        tmp_path,
        by="<i>by",
        groups_file=file,
        images=tmp_path / "images",
        model_note="<em>note",
    )
    assert not re.search(r"<(script|b>code|i>by|u>|em)", text)
    assert "&lt;script&gt;" in text
    assert "&lt;u&gt;group|" in text
    noted = (tmp_path / "page.md").read_text()
    assert "<script" not in noted
    assert "&lt;u&gt;group\\|" in noted


def test_the_most_confident_face_of_each_expression_is_the_example(tmp_path: Path) -> None:
    chosen = {"low.png": ((200, 0, 0), 0.5), "high.png": ((0, 200, 0), 0.9), "middle.png": ((0, 0, 200), 0.7)}
    rows = []
    for name, (colour, confidence) in chosen.items():
        picture(tmp_path / "images" / name, colour)
        rows += results.rows_of(name, synthetic.reply("fear", confidence=confidence))
    text = made(results.table_of(rows), tmp_path, images=tmp_path / "images")
    assert re.findall(r'alt="(.*?)"', text) == ["fear, 90.0 %: high.png"]
    (uri,) = re.findall(r'src="data:image/jpeg;base64,(.*?)"', text)
    import base64

    with Image.open(io.BytesIO(base64.b64decode(uri))) as cut:
        assert cut.size == (96, 96)
        red, green, _ = cut.convert("RGB").getpixel((48, 48))  # type: ignore[misc]
    assert green > 150 > red
    assert most_confident([]) == []


def test_a_name_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    picture(tmp_path / "secret.png", (9, 9, 9))
    (tmp_path / "images").mkdir()
    table = results.table_of(results.rows_of("../secret.png", synthetic.reply("fear")))
    text = made(table, tmp_path, images=tmp_path / "images")
    assert "data:image" not in text
    assert "1 of the pictures are not in the folder" in text


def test_a_picture_of_another_size_is_not_the_one_that_was_read(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png", (9, 9, 9), (100, 100))
    table = results.table_of(results.rows_of("a.png", synthetic.reply("fear")))
    assert "data:image" not in made(table, tmp_path, images=tmp_path / "images")


def test_without_labels_nobody_claims_to_be_right(tmp_path: Path) -> None:
    text = made(synthetic.table({"a": {"fear": 3}}), tmp_path)
    assert "Without labels nobody knows how often it is right" in text
    assert "accuracy" not in text


def test_empty_results_give_a_page_that_says_so(tmp_path: Path) -> None:
    text = made(results.SCHEMA.empty_table(), tmp_path)
    assert "The results are empty" in text
    assert "<table" not in text
    text = made(results.table_of(results.rows_of("a.jpg", synthetic.reply())), tmp_path)
    assert "1 image was read: 0 faces, 1 image without a face." in text


def test_a_result_given_twice_is_refused(tmp_path: Path) -> None:
    source = synthetic.save(synthetic.table({"a": {"fear": 1}}), tmp_path)
    with pytest.raises(ValueError, match=r"'a/a_0\.jpg' is in the results 2 times"):
        write([source, source], tmp_path / "page.html")


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    source = synthetic.save(synthetic.table({"a": {"fear": 1}}), tmp_path, "page.csv")
    with pytest.raises(ValueError, match=r"page\.csv is read and would be written over"):
        write([source], tmp_path / "page.html")
    assert len(results.read([source])) == 1
