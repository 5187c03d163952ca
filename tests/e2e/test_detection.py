"""The detection service's models in the real process: who finds the faces, and what the answers then carry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from mien.client import Client
from services.domain import ACTION_UNITS
from tests.conftest import encoded
from tests.services.detection.toy_models import UNITS, painted, write_detector, write_landmarker
from tests.services.inference.toy_repository import write_classifier
from tests.stack import Stack, running

PICTURE = encoded(Image.fromarray(painted(640, 480, ("red", 160, 120, 96), ("blue", 400, 200, 128))), "PNG")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toys for every role."""
    folder = tmp_path_factory.mktemp("repository")
    write_classifier(folder)
    write_detector(folder)
    write_landmarker(folder)
    return folder


@pytest.fixture(scope="module")
def stack(repository: Path) -> Iterator[Stack]:
    with running("all", model_repository=repository, log_format="json") as process:
        yield process


def models_served(stack: Stack, service: str) -> set[str]:
    metrics = httpx.get(stack.url(service) + "/metrics").text
    lines = [line for line in metrics.splitlines() if line.startswith("mien_model_info{")]
    return {line.split('model="')[1].split('"')[0] for line in lines}


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/detect"])
def test_an_answer_carries_68_landmarks_and_17_action_units(stack: Stack, path: str) -> None:
    response = httpx.post(stack.url() + path, files={"image": PICTURE}, timeout=30)
    assert response.status_code == 200, response.text
    red, blue = response.json()["faces"]
    assert red["box"] == {"x": 160, "y": 120, "width": 96, "height": 96}
    assert blue["box"] == {"x": 400, "y": 200, "width": 128, "height": 128}
    for face in (red, blue):
        assert len(face["landmarks"]) == 68
        assert list(face["action_units"]) == list(ACTION_UNITS)
        assert list(face["action_units"].values()) == pytest.approx(UNITS.tolist(), abs=1e-4)


def test_grpc_carries_them_too(stack: Stack) -> None:
    with Client(stack.address()) as client:
        faces = [item.face for item in client.classify(PICTURE).faces] + list(client.detect(PICTURE).faces)
    assert len(faces) == 4
    for face in faces:
        assert len(face.landmarks) == 68
        assert list(face.action_units.intensities) == pytest.approx(UNITS.tolist(), abs=1e-6)


def test_the_time_in_models_stands_apart_from_the_wait(stack: Stack) -> None:
    with Client(stack.address()) as client:
        timings = client.detect(PICTURE).timings
    assert 0 < timings.inference_s < timings.detection_s <= timings.total_s


def test_a_picture_that_is_one_face_has_landmarks_too(stack: Stack) -> None:
    picture = encoded(Image.fromarray(painted(80, 60, ("red", 20, 10, 40))), "PNG")
    (face,) = httpx.post(stack.url() + "/v1/classify?detect=false", files={"image": picture}).json()["faces"]
    assert len(face["landmarks"]) == 68
    assert len(face["action_units"]) == 17


def test_only_classifiers_can_be_asked_for_by_name(stack: Stack) -> None:
    assert [model["name"] for model in httpx.get(stack.url() + "/v1/models").json()["models"]] == [
        "expression_classifier"
    ]
    response = httpx.post(stack.url() + "/v1/classify?model=face_detector", files={"image": PICTURE})
    assert response.status_code == 404
    assert models_served(stack, "gateway") == {"expression_classifier", "face_detector", "face_landmarker"}


def test_each_service_alone_loads_its_own_models_and_the_answer_is_the_same(repository: Path, stack: Stack) -> None:
    with (
        running("detection", model_repository=repository, detector="network") as detection,
        running("classification", model_repository=repository) as classification,
        running(
            "gateway",
            model_repository=repository / "nowhere",
            detection_address=detection.address("detection"),
            classification_address=classification.address("classification"),
        ) as gateway,
    ):
        assert models_served(detection, "detection") == {"face_detector", "face_landmarker"}
        assert models_served(classification, "classification") == {"expression_classifier"}
        assert httpx.get(detection.url("detection") + "/readyz").json()["checks"]["models"] is True
        apart = httpx.post(gateway.url() + "/v1/classify", files={"image": PICTURE}, timeout=30).json()
    assert apart == httpx.post(stack.url() + "/v1/classify", files={"image": PICTURE}, timeout=30).json()


def test_the_cascade_can_be_chosen_although_there_is_a_network(repository: Path, photo: bytes) -> None:
    with running("all", model_repository=repository, detector="cascade") as stack:
        assert models_served(stack, "gateway") == {"expression_classifier", "face_landmarker"}
        (face,) = httpx.post(stack.url() + "/v1/detect", files={"image": photo}, timeout=30).json()["faces"]
    assert len(face["landmarks"]) == 68


@pytest.mark.parametrize(
    ("detector", "sentence"),
    [
        ("network", "MIEN_DETECTOR=network needs a face_detector with a version folder in"),
        ("yunet", "MIEN_DETECTOR=yunet needs MIEN_YUNET_MODEL"),
        ("mirror", "MIEN_DETECTOR"),
    ],
)
def test_a_choice_that_cannot_be_met_is_one_sentence_at_the_start(
    toy_repository: Path, detector: str, sentence: str
) -> None:
    with running("detection", ready=False, model_repository=toy_repository, detector=detector) as stack:
        assert stack.process.wait(30) == 2
        log = stack.log.read_text()
    assert sentence in log
    assert "Traceback" not in log


def test_an_entry_that_is_no_detector_is_one_sentence_at_the_start(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    write_detector(tmp_path, candidates=100)
    with running("all", ready=False, model_repository=tmp_path, detector="network") as stack:
        assert stack.process.wait(30) == 2
        log = stack.log.read_text()
    assert "face_detector/config.pbtxt must have the output boxes [n, 200, 4] float32" in log
    assert "Traceback" not in log
