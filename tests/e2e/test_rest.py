"""The gateway's REST, asked over a real socket of the real process."""

from __future__ import annotations

import base64
import re
import socket
import time

import httpx
import pytest
from PIL import Image

from tests.conftest import encoded
from tests.stack import Stack, running

EXPRESSIONS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]


def post(stack: Stack, path: str = "/v1/classify", **arguments: object) -> httpx.Response:
    return httpx.post(stack.url() + path, timeout=30, **arguments)  # type: ignore[arg-type]


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    assert not re.search(r"Traceback|/(root|home|usr|work|tmp)/|\.py", response.text)
    return body


def test_a_photo_is_answered_with_its_face_and_seven_probabilities(toy_stack: Stack, photo: bytes) -> None:
    response = post(toy_stack, files={"image": photo})
    assert response.status_code == 200
    body = response.json()
    assert body["image"] == {"width": 320, "height": 240}
    assert body["model"] == {"name": "expression_classifier", "version": 1}
    (face,) = body["faces"]
    assert set(face["box"]) == {"x", "y", "width", "height"}
    assert 90 <= face["box"]["x"] + face["box"]["width"] / 2 <= 250
    assert 0 <= face["score"] <= 1
    assert list(face["probabilities"]) == EXPRESSIONS
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert face["expression"] == max(face["probabilities"], key=face["probabilities"].get)
    assert re.search(r"queue;dur=[\d.]+, inference;dur=[\d.]+", response.headers["server-timing"])


def test_three_ways_to_send_a_picture_give_the_same_answer(toy_stack: Stack, photo: bytes) -> None:
    multipart = post(toy_stack, files={"image": ("any name.jpg", photo, "image/jpeg")}).json()
    raw = post(toy_stack, content=photo, headers={"content-type": "image/jpeg"}).json()
    text = post(toy_stack, json={"image": base64.b64encode(photo).decode()}).json()
    assert multipart == raw == text


def test_a_large_multipart_picture_never_touches_the_disk(toy_stack: Stack) -> None:
    noise = Image.effect_noise((1400, 1400), 90).convert("RGB")
    data = encoded(noise, "PNG")
    assert len(data) > 2_000_000  # over the size at which form parsers begin to write files
    before = _bytes_written(toy_stack)
    assert post(toy_stack, files={"image": data}).status_code == 200
    assert _bytes_written(toy_stack) - before < 100_000


def _bytes_written(stack: Stack) -> int:
    with open(f"/proc/{stack.process.pid}/io") as file:  # noqa: PTH123
        # what was written anywhere; the answer itself is a few hundred bytes of it
        return int(re.search(r"^wchar: (\d+)", file.read(), re.M).group(1))  # type: ignore[union-attr]


def test_no_face_is_an_answer(toy_stack: Stack) -> None:
    response = post(toy_stack, files={"image": encoded(Image.new("RGB", (200, 100), (90, 120, 60)))})
    assert response.status_code == 200
    assert response.json() == {
        "image": {"width": 200, "height": 100},
        "faces": [],
        "model": {"name": "expression_classifier", "version": 1},
    }


def test_a_picture_that_is_one_face_is_not_searched(toy_stack: Stack) -> None:
    picture = encoded(Image.new("RGB", (80, 60), (90, 120, 60)))
    body = post(toy_stack, "/v1/classify?detect=false", files={"image": picture}).json()
    assert [face["box"] for face in body["faces"]] == [{"x": 0, "y": 0, "width": 80, "height": 60}]


def test_boxes_are_pixels_of_the_upright_image(toy_stack: Stack, photo: bytes) -> None:
    from io import BytesIO

    upright = post(toy_stack, "/v1/detect", files={"image": photo}).json()
    turned = Image.open(BytesIO(photo)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me 90° clockwise to see me upright"
    buffer = BytesIO()
    turned.save(buffer, "JPEG", quality=95, exif=exif)
    body = post(toy_stack, "/v1/detect", files={"image": buffer.getvalue()}).json()
    assert body["image"] == upright["image"] == {"width": 320, "height": 240}
    for side in ("x", "y", "width", "height"):
        assert body["faces"][0]["box"][side] == pytest.approx(upright["faces"][0]["box"][side], abs=6)


def test_garbage_is_not_an_image(toy_stack: Stack) -> None:
    assert_problem(post(toy_stack, files={"image": b"hello, I am text"}), 400, "not_an_image")


def test_a_truncated_image_is_refused(toy_stack: Stack, photo: bytes) -> None:
    assert_problem(post(toy_stack, files={"image": photo[: len(photo) // 2]}), 400, "truncated_image")


def test_an_unsupported_format_is_named(toy_stack: Stack) -> None:
    body = assert_problem(post(toy_stack, files={"image": b"%PDF-1.7\n" + b"0" * 500}), 415, "unsupported_format")
    assert "JPEG" in str(body["detail"])


def test_too_many_bytes_are_refused_before_they_arrive(toy_stack: Stack) -> None:
    assert_problem(
        post(toy_stack, content=bytes(11 << 20), headers={"content-type": "image/png"}), 413, "too_many_bytes"
    )


def test_too_many_bytes_without_a_declared_length_are_refused(toy_stack: Stack) -> None:
    def endless() -> object:
        for _ in range(40):
            yield bytes(1 << 20)

    try:
        response = post(toy_stack, content=endless(), headers={"content-type": "image/png"})
    except (httpx.WriteError, httpx.ReadError):
        pytest.skip("the client saw the connection end before it read the answer")
    assert_problem(response, 413, "too_many_bytes")


def test_too_many_pixels_are_refused_from_the_header(toy_stack: Stack) -> None:
    bomb = encoded(Image.new("1", (12000, 12000)), "PNG")
    assert len(bomb) < 100_000
    started = time.perf_counter()
    assert_problem(post(toy_stack, files={"image": bomb}), 413, "too_many_pixels")
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("query", "field"),
    [("detect=maybe", "detect"), ("detect=1", "detect"), ("modle=x", "modle"), ("detect=", "detect")],
)
def test_a_bad_parameter_is_refused_by_name(toy_stack: Stack, photo: bytes, query: str, field: str) -> None:
    body = assert_problem(post(toy_stack, f"/v1/classify?{query}", files={"image": photo}), 422, "bad_parameter")
    assert body["errors"][0]["field"] == field  # type: ignore[index]


def test_an_unknown_model_is_not_found(toy_stack: Stack, photo: bytes) -> None:
    assert_problem(post(toy_stack, "/v1/classify?model=nobody", files={"image": photo}), 404, "unknown_model")


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"files": {"picture": b"x"}}, 422, "missing_image"),
        ({"data": {"image": "text"}, "files": {"other": b"x"}}, 422, "missing_image"),
        ({"json": {"image": 7}}, 422, "missing_image"),
        ({"json": {"image": "####"}}, 400, "malformed_request"),
        ({"json": {"image": "", "url": "http://127.0.0.1/"}}, 422, "bad_parameter"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "malformed_request"),
        ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 400, "malformed_request"),
        ({"content": b"", "headers": {"content-type": "image/png"}}, 422, "missing_image"),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "unsupported_media_type"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "malformed_request"),
        (
            {"content": b"garbage", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            400,
            "malformed_request",
        ),
        ({"content": b"x", "headers": {"content-type": "image/png", "request-timeout": "soon"}}, 422, "bad_parameter"),
    ],
)
def test_a_malformed_request_is_told_what_to_do(
    toy_stack: Stack, arguments: dict[str, object], status: int, code: str
) -> None:
    body = assert_problem(post(toy_stack, **arguments), status, code)
    assert str(body["detail"]).endswith(".")


def test_there_is_no_other_address_or_method(toy_stack: Stack) -> None:
    assert_problem(httpx.get(toy_stack.url() + "/v1/nothing"), 404, "not_found")
    assert_problem(httpx.get(toy_stack.url() + "/v1/classify"), 405, "method_not_allowed")


def test_a_deadline_that_cannot_be_met_is_504(toy_stack: Stack, photo: bytes) -> None:
    response = post(toy_stack, files={"image": photo}, headers={"request-timeout": "0.000001"})
    body = assert_problem(response, 504, "deadline_exceeded")
    assert body["retryable"] is True


def test_the_callers_request_id_is_kept_and_a_bad_one_replaced(toy_stack: Stack, photo: bytes) -> None:
    kept = post(toy_stack, files={"image": photo}, headers={"x-request-id": "order-66.a"})
    assert kept.headers["x-request-id"] == "order-66.a"
    replaced = post(toy_stack, files={"image": photo}, headers={"x-request-id": "a b\tc"})
    assert re.fullmatch(r"[0-9a-f]{32}", replaced.headers["x-request-id"])


def test_models_come_with_their_cards(toy_stack: Stack) -> None:
    (model,) = httpx.get(toy_stack.url() + "/v1/models").json()["models"]
    assert model["name"] == "expression_classifier"
    assert model["labels"] == EXPRESSIONS
    assert model["default"] is True
    assert isinstance(model["card"], dict)


def test_the_services_have_their_own_doors(toy_stack: Stack, photo: bytes) -> None:
    found = httpx.post(toy_stack.url("detection") + "/v1/detect", files={"image": photo}).json()
    assert len(found["faces"]) == 1
    read = httpx.post(toy_stack.url("classification") + "/v1/classify", files={"image": photo}).json()
    assert read["expression"] in EXPRESSIONS


def test_probes_metrics_and_docs_answer(toy_stack: Stack) -> None:
    for service in ("gateway", "detection", "classification", "generation"):
        assert httpx.get(toy_stack.url(service) + "/livez").status_code == 200
        assert httpx.get(toy_stack.url(service) + "/readyz").json()["status"] == "ready"
        assert "mien_requests_total" in httpx.get(toy_stack.url(service) + "/metrics").text
        assert httpx.get(toy_stack.url(service) + "/docs").status_code == 200
        assert httpx.get(toy_stack.url(service) + "/openapi.json").json()["info"]["title"] == f"Mien {service}"


def test_the_docs_page_needs_nothing_from_the_internet(toy_stack: Stack) -> None:
    page = httpx.get(toy_stack.url() + "/docs").text
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    sources = re.findall(r"(?:src|href)=\"(/[^\"]+)", page)
    assert any(source.endswith(".js") for source in sources)
    for source in sources:
        assert httpx.get(toy_stack.url() + source).status_code == 200


def test_a_full_house_answers_429_at_once_and_says_when_to_come_back(toy_repository: object, photo: bytes) -> None:
    with running("all", model_repository=toy_repository, max_in_flight=1) as stack:
        host, port = stack.url().removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:  # takes the only place and never finishes its body
            head = (
                f"POST /v1/classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\nContent-Length: 100\r\n\r\n"
            )
            slow.sendall(head.encode())
            time.sleep(0.5)
            started = time.perf_counter()
            response = post(stack, files={"image": photo})
            assert time.perf_counter() - started < 1
            assert_problem(response, 429, "queue_full")
            assert int(response.headers["retry-after"]) >= 1
            assert httpx.get(stack.url() + "/readyz").status_code == 200  # probes still answer
        deadline = time.monotonic() + 10  # the place is given back when the slow caller leaves
        while (response := post(stack, files={"image": photo})).status_code == 429 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert response.status_code == 200


def test_logs_hold_one_access_line_and_nothing_of_the_picture(toy_stack: Stack, photo: bytes) -> None:
    post(toy_stack, files={"image": ("secret-name.jpg", photo, "image/jpeg")}, headers={"x-request-id": "seen-once"})
    time.sleep(0.2)
    log = toy_stack.log.read_text()
    assert log.count("seen-once") == 1
    assert "secret-name" not in log
    assert '"faces": 1' in next(line for line in log.splitlines() if "seen-once" in line)
