"""Generation over gRPC, on the command line, and with each service in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from mien.client import CallError, Client
from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from tests.e2e.generating import EMPTY, PICTURE, ask, marked, opened, pixels
from tests.e2e.test_rest import assert_problem
from tests.services.detection.toy_models import UNITS
from tests.services.generation.toy_generator import AU12
from tests.stack import Stack, running


def test_grpc_gives_the_very_picture_of_rest(generating_stack: Stack) -> None:
    with Client(generating_stack.address()) as client:
        reply = client.generate(PICTURE, expression="happiness", intensity=0.5, measure=True)
    assert reply.image == ask(generating_stack, "expression=happiness&intensity=0.5").content
    assert [change.index for change in reply.changes] == [0, 1]
    assert len(reply.faces[0].landmarks) == 68
    assert reply.changes[0].wanted[0].intensities[AU12] == pytest.approx(0.5 + 0.5 * UNITS[AU12])
    assert reply.changes[0].HasField("measured")
    assert reply.changes[0].after.neutral != reply.changes[0].before.neutral
    assert reply.timings.total_s > reply.timings.inference_s > 0


def test_steps_are_frames_and_jpeg_can_be_asked_for(generating_stack: Stack) -> None:
    with Client(generating_stack.address()) as client:
        reply = client.generate(PICTURE, action_units={"AU12": 1.0}, steps=3, face=1, jpeg=True)
    assert reply.image == b""
    assert [round(frame.amount, 3) for frame in reply.frames] == [0.333, 0.667, 1.0]
    assert all(marked(opened(frame.image)) and opened(frame.image).format == "JPEG" for frame in reply.frames)
    assert [change.index for change in reply.changes] == [1]
    assert len(reply.changes[0].wanted) == 3
    assert not reply.changes[0].HasField("measured")


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda client: client.generate(PICTURE), "bad_parameter"),
        (lambda client: client.generate(PICTURE, expression="joy"), "bad_parameter"),
        (lambda client: client.generate(PICTURE, action_units={"AU77": 1.0}), "bad_parameter"),
        (lambda client: client.generate(PICTURE, expression="fear", intensity=2.0), "bad_parameter"),
        (lambda client: client.generate(PICTURE, expression="fear", steps=40), "bad_parameter"),
        (lambda client: client.generate(PICTURE, expression="fear", face=7), "bad_parameter"),
        (lambda client: client.generate(PICTURE, expression="fear", model="nobody"), "unknown_model"),
        (lambda client: client.generate(EMPTY, expression="fear"), "no_face"),
        (lambda client: client.generate(b"", expression="fear"), "missing_image"),
    ],
)
def test_faults_have_the_codes_of_rest(generating_stack: Stack, call: Callable[[Client], object], code: str) -> None:
    with Client(generating_stack.address()) as client, pytest.raises(CallError) as caught:
        call(client)
    assert caught.value.code == code


def test_the_service_itself_takes_crops(generating_stack: Stack) -> None:
    crop = np.full((128, 128, 3), 90, np.uint8)
    request = pb.GenerateRequest(
        crops=[pb.FaceCrop(rgb=crop.tobytes(), side_px=128)],
        present=[pb.ActionUnits(intensities=[0.5] * 17)],
        action_units=pb.ActionUnits(intensities=[1.0] * 17),
        steps=2,
    )
    with grpc.insecure_channel(generating_stack.address("generation")) as channel:
        stub = mien_pb2_grpc.ExpressionGenerationStub(channel)
        reply = stub.Generate(request, timeout=20)
        first, last = (np.frombuffer(one.rgb, np.uint8).reshape(128, 128, 3) for one in reply.crops)
        assert (first[64, 64, 0], last[64, 64, 0], last[0, 0, 0]) == (115, 140, 90)
        assert len(reply.masks[0]) == 128 * 128
        assert list(reply.wanted[0].intensities) == [0.75] * 17
        del request.present[:]
        with pytest.raises(grpc.RpcError) as caught:
            stub.Generate(request, timeout=20)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_each_service_alone_gives_the_same_picture(generating_repository: Path, generating_stack: Stack) -> None:
    with (
        running("detection", model_repository=generating_repository) as detection,
        running("classification", model_repository=generating_repository) as classification,
        running("generation", model_repository=generating_repository) as generation,
        running(
            "gateway",
            detection_address=detection.address("detection"),
            classification_address=classification.address("classification"),
            generation_address=generation.address("generation"),
        ) as gateway,
    ):
        assert ask(gateway, "expression=happiness").content == ask(generating_stack, "expression=happiness").content
        apart = ask(gateway, "expression=happiness&steps=32&format=zip", accept="*/*", **{"x-request-id": "far-2"})
        assert apart.content == ask(generating_stack, "expression=happiness&steps=32&format=zip").content
        assert "far-2" in generation.log.read_text()
        assert (
            ask(gateway, "expression=fear&format=json").json()["faces"]
            == ask(generating_stack, "expression=fear&format=json").json()["faces"]
        )
        assert_problem(ask(gateway, "expression=joy"), 422, "bad_parameter")
        assert len(httpx.get(gateway.url() + "/v1/models").json()["models"]) == 2
        generation.stop()
        assert_problem(ask(gateway, "expression=happiness"), 503, "unavailable")
        assert httpx.get(gateway.url() + "/readyz").status_code == 200  # reading goes on
        assert httpx.post(gateway.url() + "/v1/classify", files={"image": PICTURE}, timeout=30).status_code == 200
        assert len(httpx.get(gateway.url() + "/v1/models").json()["models"]) == 1


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "mien.cli", "generate", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_the_command_line_writes_pictures(generating_stack: Stack, tmp_path: Path) -> None:
    photo, to = tmp_path / "photo.png", tmp_path / "out" / "deep"
    photo.write_bytes(PICTURE)
    door = ("--gateway", generating_stack.address(), "--to", to)
    done = command(photo, "--expression", "happiness", "--intensity", 0.8, *door)
    assert done.returncode == 0, done.stderr
    assert (to / "photo_happiness.png").read_bytes() == ask(
        generating_stack, "expression=happiness&intensity=0.8"
    ).content
    done = command(photo, "--unit", "AU12=0.8", "--unit", "au01=0.2", "--steps", 2, "--jpeg", *door)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in to.glob("*.jpg")) == ["photo_units_01.jpg", "photo_units_02.jpg"]
    assert pixels((to / "photo_units_02.jpg").read_bytes()).shape == (480, 640, 3)
    assert "photo_units_02.jpg" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "--expression or"),
        (("--expression", "fear", "--unit", "AU12=1"), "--expression or"),
        (("--unit", "AU12"), "write it as AU12=0.8"),
        (("--expression", "joy"), "neutral, happiness"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    generating_stack: Stack, tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(PICTURE)
    done = command(photo, "--to", tmp_path / "out", "--gateway", generating_stack.address(), *arguments)
    assert done.returncode == 2
    assert word in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
