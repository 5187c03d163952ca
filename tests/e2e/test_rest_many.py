"""Several pictures in one form, asked over a real socket of the real process."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_rest import assert_problem
from tests.services.inference.toy_repository import write_classifier
from tests.stack import Stack, running


def post(stack: Stack, pictures: Sequence[bytes], query: str = "", **arguments: object) -> httpx.Response:
    files = [("image", (f"secret-{place}.jpg", data)) for place, data in enumerate(pictures)]
    return httpx.post(f"{stack.url()}/v1/classify{query}", files=files, timeout=60, **arguments)  # type: ignore[arg-type]


def test_good_and_bad_pictures_are_answered_in_their_order(toy_stack: Stack, photo: bytes) -> None:
    pictures = [photo, b"no picture at all", photo[:900], photo, b"", bytes(11 << 20), b"%PDF-1.7\n" + b"0" * 500]
    response = post(toy_stack, pictures)
    assert response.status_code == 200
    body = response.json()
    alone = post(toy_stack, [photo]).json()
    assert body["model"] == alone["model"]
    assert [item["index"] for item in body["results"]] == list(range(7))
    assert body["results"][0]["result"] == body["results"][3]["result"] == alone
    assert [item.get("error", {}).get("code") for item in body["results"]] == [
        None, "not_an_image", "truncated_image", None, "missing_image", "too_many_bytes", "unsupported_format",
    ]  # fmt: skip
    for item in body["results"]:
        assert set(item) in ({"index", "result"}, {"index", "error"})
    assert "secret" not in response.text


def test_an_items_error_is_the_problem_that_it_would_be_alone(toy_stack: Stack, photo: bytes) -> None:
    headers = {"x-request-id": "the-same"}
    alone = assert_problem(post(toy_stack, [b"text"], headers=headers), 400, "not_an_image")
    assert post(toy_stack, [photo, b"text"], headers=headers).json()["results"][1]["error"] == alone


def test_one_picture_alone_is_answered_as_ever(toy_stack: Stack, photo: bytes) -> None:
    body = post(toy_stack, [photo]).json()
    assert set(body) == {"image", "faces", "model"}


def test_options_hold_for_all(toy_stack: Stack, photo: bytes) -> None:
    results = post(toy_stack, [photo, photo], "?detect=false").json()["results"]
    assert [item["result"]["faces"][0]["box"]["width"] for item in results] == [320, 320]
    assert_problem(post(toy_stack, [photo, photo], "?model=nobody"), 404, "unknown_model")


def test_too_many_pictures_are_refused_and_the_limit_is_named(toy_stack: Stack) -> None:
    body = assert_problem(post(toy_stack, [b"x"] * 17), 413, "too_many_images")
    assert "16" in str(body["detail"])
    assert len(post(toy_stack, [b"x"] * 16).json()["results"]) == 16


def test_too_many_bytes_in_all_are_refused(toy_stack: Stack) -> None:
    body = assert_problem(post(toy_stack, [bytes(9 << 20)] * 4), 413, "too_many_bytes")
    assert str(32 << 20) in str(body["detail"])


def test_text_among_the_pictures_is_refused(toy_stack: Stack, photo: bytes) -> None:
    response = post(toy_stack, [photo], data={"image": "text"})
    assert_problem(response, 422, "missing_image")


@pytest.mark.parametrize("pictures", [1, 2])
def test_an_option_in_the_form_is_refused_and_not_overlooked(toy_stack: Stack, photo: bytes, pictures: int) -> None:
    body = assert_problem(post(toy_stack, [photo] * pictures, data={"detect": "false"}), 422, "bad_parameter")
    assert "options go into the query" in str(body["detail"])
    assert "detect" in str(body)


def test_the_deadline_is_that_of_all(toy_stack: Stack, photo: bytes) -> None:
    assert_problem(post(toy_stack, [photo] * 3, headers={"request-timeout": "0.000001"}), 504, "deadline_exceeded")


def test_each_picture_takes_a_place(toy_repository: Path, photo: bytes) -> None:
    with running("all", model_repository=toy_repository, max_in_flight=4) as stack:
        assert_problem(post(stack, [b"x"] * 5), 413, "too_many_images")
        assert post(stack, [photo] * 4).status_code == 200
        host, port = stack.url().removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:  # takes a place and never finishes its body
            kind = "Content-Type: image/jpeg\r\nContent-Length: 9"
            slow.sendall(f"POST /v1/classify HTTP/1.1\r\nHost: {host}\r\n{kind}\r\n\r\n".encode())
            deadline = time.monotonic() + 30
            while (response := post(stack, [photo] * 4)).status_code == 200 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert_problem(response, 429, "queue_full")
            assert post(stack, [photo] * 3).status_code == 200
        deadline = time.monotonic() + 30
        while (response := post(stack, [photo] * 4)).status_code == 429 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert response.status_code == 200


def test_pictures_of_one_form_share_batches(tmp_path: Path, photo: bytes) -> None:
    write_classifier(tmp_path, fault="slow")  # while the first are read, the others come together
    with running("all", model_repository=tmp_path) as stack:
        assert post(stack, [photo] * 8, "?detect=false").status_code == 200
        text = httpx.get(stack.url("classification") + "/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("mien_batch_rows_count")]
    assert 1 <= sum(float(line.rpartition(" ")[2]) for line in lines) < 8


def test_the_access_line_counts_the_pictures(toy_stack: Stack, photo: bytes) -> None:
    post(toy_stack, [photo, b"text", photo], headers={"x-request-id": "three-of-them"})
    deadline = time.monotonic() + 30
    while "three-of-them" not in (log := toy_stack.log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    line = next(line for line in log.splitlines() if "three-of-them" in line)
    assert '"items": 3' in line
    assert '"errors": 1' in line
    assert '"faces": 2' in line
    assert "secret" not in log


@pytest.mark.parametrize("path", ["/v1/detect", "/v1/generate?expression=fear"])
def test_other_calls_take_one_picture(toy_stack: Stack, photo: bytes, path: str) -> None:
    files = [("image", photo), ("image", photo)]
    assert_problem(httpx.post(toy_stack.url() + path, files=files, timeout=30), 422, "missing_image")


def test_the_docs_describe_both_forms(toy_stack: Stack) -> None:
    call = httpx.get(toy_stack.url() + "/openapi.json").json()["paths"]["/v1/classify"]["post"]
    image = call["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["image"]
    assert (image["type"], image["maxItems"]) == ("array", 16)
    answer = call["responses"]["200"]["content"]["application/json"]["schema"]
    assert [one["$ref"].rpartition("/")[2] for one in answer["anyOf"]] == ["Reading", "Readings"]
