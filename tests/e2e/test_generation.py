"""Generation, asked of the real process with a tiny generator: pictures, steps, measurements, marks and refusals."""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from services.domain import ACTION_UNITS, RGB
from services.synthetic import DIGITAL_SOURCE_TYPE
from tests.conftest import encoded
from tests.e2e.generating import EMPTY, PICTURE, SCENE, UNREAD, ask, marked, opened, pixels
from tests.e2e.test_rest import assert_problem
from tests.services.detection.toy_models import UNITS
from tests.services.generation.toy_generator import AU12, write_generator
from tests.services.inference.toy_repository import write_classifier
from tests.stack import Stack, running


def lightened(picture: RGB) -> float:
    """By how much the middle of the red face became lighter in green."""
    return float(picture[150:186, 190:226, 1].astype(float).mean())


def test_a_photo_comes_back_with_another_expression_and_all_else_as_it_was(generating_stack: Stack) -> None:
    response = ask(generating_stack, "expression=happiness")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    assert "inference;dur=" in response.headers["server-timing"]
    picture = pixels(response.content)
    assert lightened(picture) == pytest.approx(100 * (1 - UNITS[AU12]), abs=1.5)
    changed = (picture != SCENE).any(-1)
    assert changed[180:250, 440:500].any()
    outside = np.ones_like(changed)
    outside[132:204, 172:244] = outside[216:312, 416:512] = False  # the middles of squares of 1.5 boxes
    assert not (changed & outside)[:100].any()
    assert not (changed & outside)[:, :130].any()


def test_intensity_units_and_one_face_can_be_chosen(generating_stack: Stack) -> None:
    half = pixels(ask(generating_stack, "expression=happiness&intensity=0.5&face=0").content)
    assert lightened(half) == pytest.approx(50 * (1 - UNITS[AU12]), abs=1.5)
    np.testing.assert_array_equal(half[:, 330:], SCENE[:, 330:])
    full = pixels(ask(generating_stack, 'action_units={"AU12": 0.75}').content)
    assert lightened(full) == pytest.approx(100 * (0.75 - UNITS[AU12]), abs=1.5)
    same = ask(generating_stack, 'action_units={"AU01": 0.9}&intensity=0')
    np.testing.assert_array_equal(pixels(same.content), SCENE)


def test_parameters_may_stand_in_the_form_or_in_the_json(generating_stack: Stack) -> None:
    url = generating_stack.url() + "/v1/generate"
    query = ask(generating_stack, 'action_units={"AU12":0.9}&intensity=0.7').content
    fields = {"action_units": '{"AU12": 0.9}', "intensity": "0.7"}
    form = httpx.post(url, files={"image": PICTURE}, data=fields, timeout=60).content
    body = {"image": base64.b64encode(PICTURE).decode(), "action_units": {"AU12": 0.9}, "intensity": 0.7}
    text = httpx.post(url, json=body, timeout=60).content
    raw = httpx.post(
        url + '?action_units={"AU12":0.9}&intensity=0.7',
        content=PICTURE,
        headers={"content-type": "image/png"},
        timeout=60,
    )
    assert query == form == text == raw.content


def test_json_says_what_was_asked_and_what_was_measured(generating_stack: Stack) -> None:
    response = ask(generating_stack, "expression=happiness", accept="application/json")
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["image"] == {"width": 640, "height": 480}
    assert body["model"] == {"name": "expression_generator", "version": 1}
    assert "not an emotion felt" in body["note"]
    assert body["digital_source_type"] == DIGITAL_SOURCE_TYPE
    picture = opened(base64.b64decode(body["picture"]))
    assert marked(picture)
    assert lightened(np.asarray(picture)) == pytest.approx(100 * (1 - UNITS[AU12]), abs=1.5)
    assert [face["index"] for face in body["faces"]] == [0, 1]
    for face in body["faces"]:
        assert list(face["action_units"].values()) == pytest.approx(UNITS.tolist(), abs=1e-4)
        assert face["wanted"]["AU12"] == 1
        assert face["wanted"]["AU45"] == 0
        assert list(face["measured"]) == list(ACTION_UNITS)
        assert sum(face["before"].values()) == pytest.approx(1, abs=1e-5)
        assert face["after"] != face["before"]


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "image/jpeg", "JPEG"),
        ("&format=jpeg", "*/*", "JPEG"),
        ("", "*/*", "PNG"),
        ("&steps=3", "*/*", "WEBP"),
        ("&steps=3", "image/gif", "GIF"),
    ],
)
def test_every_file_says_that_it_is_synthetic(generating_stack: Stack, query: str, accept: str, kind: str) -> None:
    response = ask(generating_stack, "expression=anger" + query, accept=accept)
    assert response.status_code == 200, response.text
    picture = opened(response.content)
    assert picture.format == kind
    assert response.headers["content-type"] == Image.MIME[kind]
    assert marked(picture)


def test_the_originals_metadata_stay_behind(generating_stack: Stack) -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera of mine"
    exif.get_ifd(0x8825)[1] = "N"
    buffer = io.BytesIO()
    Image.fromarray(SCENE).save(buffer, "JPEG", quality=95, exif=exif, comment=b"my secret")
    assert b"A camera of mine" in buffer.getvalue()
    for form in ("png", "jpeg"):
        response = ask(generating_stack, f"expression=fear&format={form}", buffer.getvalue())
        assert response.status_code == 200, response.text
        assert b"camera of mine" not in response.content
        assert b"my secret" not in response.content
        assert not opened(response.content).getexif().get_ifd(0x8825)


def test_steps_go_evenly_from_the_face_as_it_is(generating_stack: Stack) -> None:
    response = ask(generating_stack, "expression=happiness&steps=4&format=zip")
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        index = json.loads(archive.read("frames.json"))
        pictures = [archive.read(frame["file"]) for frame in index["frames"]]
    assert [frame["amount"] for frame in index["frames"]] == [0.25, 0.5, 0.75, 1]
    assert index["digital_source_type"] == DIGITAL_SOURCE_TYPE
    assert index["frames"][-1]["faces"][0]["wanted"]["AU12"] == 1
    assert [face["index"] for face in index["faces"]] == [0, 1]
    assert all(marked(opened(picture)) for picture in pictures)
    full = 100 * (1 - UNITS[AU12])
    assert [lightened(pixels(picture)) for picture in pictures] == pytest.approx(
        [full / 4, full / 2, full * 3 / 4, full], abs=1.5
    )
    webp = opened(ask(generating_stack, "expression=happiness&steps=4").content)
    assert webp.n_frames == 4  # type: ignore[attr-defined]
    gif = opened(ask(generating_stack, "expression=happiness&steps=4&format=gif").content)
    assert gif.n_frames == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ("expression=joy", 422, "bad_parameter", "expression"),
        ("", 422, "bad_parameter", "expression"),
        ('expression=anger&action_units={"AU12":1}', 422, "bad_parameter", "expression"),
        ('action_units={"AU99":1}', 422, "bad_parameter", "action_units"),
        ('action_units={"AU12":1.5}', 422, "bad_parameter", "action_units"),
        ('action_units={"AU12":NaN}', 422, "bad_parameter", "action_units"),
        ('action_units={"AU12":true}', 422, "bad_parameter", "action_units"),
        ("action_units=[1]", 422, "bad_parameter", "action_units"),
        ("expression=anger&intensity=1.1", 422, "bad_parameter", "intensity"),
        ("expression=anger&intensity=nan", 422, "bad_parameter", "intensity"),
        ("expression=anger&intensity=0.1&intensity=0.2", 422, "bad_parameter", "intensity"),
        ("expression=anger&steps=1", 422, "bad_parameter", "steps"),
        ("expression=anger&steps=33", 422, "bad_parameter", "steps"),
        ("expression=anger&face=2", 422, "bad_parameter", "face"),
        ("expression=anger&face=-1", 422, "bad_parameter", "face"),
        ("expresion=anger", 422, "bad_parameter", "expresion"),
        ("expression=anger&model=nobody", 404, "unknown_model", "model"),
        ("expression=anger&format=bmp", 406, "not_acceptable", "format"),
        ("expression=anger&steps=2&format=png", 406, "not_acceptable", "format"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    generating_stack: Stack, query: str, status: int, code: str, field: str
) -> None:
    body = assert_problem(ask(generating_stack, query), status, code)
    assert body["errors"][0]["field"] == field  # type: ignore[index]
    assert str(body["detail"]).endswith(".")


def test_a_picture_that_cannot_be_changed_is_told_why(generating_stack: Stack) -> None:
    nobody = assert_problem(ask(generating_stack, "expression=anger", EMPTY), 422, "no_face")
    assert "No face was found" in str(nobody["detail"])
    unread = assert_problem(ask(generating_stack, "expression=anger", UNREAD), 422, "no_face")
    assert "action units could not be read" in str(unread["detail"])
    assert_problem(ask(generating_stack, "expression=anger", b"no picture"), 400, "not_an_image")
    assert_problem(ask(generating_stack, "expression=anger", accept="text/html"), 406, "not_acceptable")
    late = ask(generating_stack, "expression=anger", **{"request-timeout": "0.00001"})
    assert_problem(late, 504, "deadline_exceeded")


def test_sixteen_at_once_share_batches_and_get_what_each_gets_alone(generating_stack: Stack) -> None:
    alone = ask(generating_stack, "expression=happiness").content
    before = _batches(generating_stack)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(generating_stack, "expression=happiness").content, range(16)))
    assert answers == [alone] * 16
    if os.environ.get("MIEN_TEST_CLUSTER"):
        return  # the batches are Triton's there
    executions, rows = (now - then for now, then in zip(_batches(generating_stack), before, strict=True))
    assert rows == 32  # two faces each
    assert executions < 16


def _batches(stack: Stack) -> tuple[float, float]:
    """Executions and rows of the generator so far."""
    lines = httpx.get(stack.url() + "/metrics").text.splitlines()
    numbers = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    label = '{model="expression_generator"}'
    return numbers.get(f"mien_batch_rows_count{label}", 0), numbers.get(f"mien_batch_rows_sum{label}", 0)


def test_a_call_leaves_a_stage_and_one_access_line(generating_stack: Stack) -> None:
    assert ask(generating_stack, "expression=sadness&steps=2", **{"x-request-id": "drawn-once"}).status_code == 200
    metrics = httpx.get(generating_stack.url() + "/metrics").text
    assert 'mien_stage_duration_seconds_count{stage="generate"}' in metrics
    (line,) = [line for line in generating_stack.log.read_text().splitlines() if "drawn-once" in line]
    noted = json.loads(line)
    assert (noted["faces"], noted["changed"], noted["frames"]) == (2, 2, 2)
    assert noted["model"] == "expression_generator/1"


def test_the_generator_is_listed_and_documented(generating_stack: Stack) -> None:
    models = httpx.get(generating_stack.url() + "/v1/models").json()["models"]
    assert [(model["name"], model["role"]) for model in models] == [
        ("expression_classifier", "expression_classifier"),
        ("expression_generator", "expression_generator"),
    ]
    call = httpx.get(generating_stack.url() + "/openapi.json").json()["paths"]["/v1/generate"]["post"]
    names = {parameter["name"] for parameter in call["parameters"]}
    assert names == {"expression", "action_units", "intensity", "model", "face", "steps", "format"}
    assert {"image/png", "image/webp", "application/json"} <= call["responses"]["200"]["content"].keys()


def test_the_service_has_its_own_door(generating_stack: Stack) -> None:
    face = encoded(Image.new("RGB", (128, 128), (90, 100, 110)), "PNG")
    url = generating_stack.url("generation") + '/v1/generate?expression=happiness&present={"AU12":0.5}'
    response = httpx.post(url, files={"image": face}, timeout=30)
    assert response.status_code == 200, response.text
    picture = opened(response.content)
    assert marked(picture)
    assert picture.getpixel((64, 64)) == (140, 150, 160)
    assert picture.getpixel((5, 5)) == (90, 100, 110)
    wrong = httpx.post(url.replace("AU12", "AU03"), files={"image": face}, timeout=30)
    assert_problem(wrong, 422, "bad_parameter")


def test_without_the_entry_all_else_works_and_generating_is_501(toy_stack: Stack, photo: bytes) -> None:
    for service in ("gateway", "generation"):
        url = toy_stack.url(service) + "/v1/generate?expression=happiness"
        body = assert_problem(httpx.post(url, files={"image": photo}, timeout=30), 501, "not_implemented")
        assert "expression_generator" in str(body["detail"])
    assert httpx.post(toy_stack.url() + "/v1/classify", files={"image": photo}, timeout=30).status_code == 200


def test_an_entry_that_is_no_generator_is_one_sentence_at_the_start(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    write_generator(tmp_path, units=16)
    with running("all", ready=False, model_repository=tmp_path) as stack:
        assert stack.process.wait(30) == 2
        log = stack.log.read_text()
    assert "expression_generator/config.pbtxt must have 2 inputs" in log
    assert "Traceback" not in log
