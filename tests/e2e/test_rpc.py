"""gRPC, asked of the real process."""

from __future__ import annotations

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from mien.client import CallError, Client
from mien.v1 import mien_pb2 as pb
from mien.v1 import mien_pb2_grpc
from tests.stack import Stack, running


def test_the_client_reads_the_same_numbers_as_rest(toy_stack: Stack, photo: bytes) -> None:
    with Client(toy_stack.address()) as client:
        reply = client.classify(photo)
    body = httpx.post(toy_stack.url() + "/v1/classify", files={"image": photo}).json()
    assert [item.face.box.x for item in reply.faces] == pytest.approx(
        [face["box"]["x"] for face in body["faces"]], abs=0.01
    )
    for item, face in zip(reply.faces, body["faces"], strict=True):
        assert item.expression == pb.Expression.Value(f"EXPRESSION_{face['expression'].upper()}")
        for name, value in face["probabilities"].items():
            assert getattr(item.probabilities, name) == pytest.approx(value, abs=1e-6)
    assert reply.model.name == "expression_classifier"
    assert reply.timings.total_s > reply.timings.inference_s > 0


def test_an_error_carries_reason_field_and_request_id(toy_stack: Stack) -> None:
    with grpc.insecure_channel(toy_stack.address()) as channel:
        stub = mien_pb2_grpc.GatewayStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Classify(
                pb.GatewayClassifyRequest(image=b"no picture", model=""),
                metadata=(("x-request-id", "abc-1"),),
                timeout=10,
            )
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(caught.value)
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, info.metadata["request_id"]) == ("not_an_image", "mien", "abc-1")
    assert "Traceback" not in status.message


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda client, photo: client.classify(b""), "missing_image"),
        (lambda client, photo: client.classify(photo[:800]), "truncated_image"),
        (lambda client, photo: client.classify(photo, model="nobody"), "unknown_model"),
        (lambda client, photo: client.classify(bytes(11 << 20)), "too_many_bytes"),
        (lambda client, photo: client.detect(b"GIF"), "not_an_image"),
    ],
)
def test_the_same_faults_have_the_same_codes_as_rest(toy_stack: Stack, photo: bytes, call: object, code: str) -> None:
    with Client(toy_stack.address()) as client, pytest.raises(CallError) as caught:
        call(client, photo)  # type: ignore[operator]
    assert caught.value.code == code


def test_a_deadline_ends_the_call(toy_stack: Stack, photo: bytes) -> None:
    with Client(toy_stack.address(), timeout_s=0.001) as client, pytest.raises(CallError) as caught:
        client.classify(photo)
    assert caught.value.code == "deadline_exceeded"


def test_generation_is_not_installed_and_says_so(toy_stack: Stack, photo: bytes) -> None:
    with grpc.insecure_channel(toy_stack.address()) as channel, pytest.raises(grpc.RpcError) as caught:
        mien_pb2_grpc.GatewayStub(channel).Generate(
            pb.GatewayGenerateRequest(image=photo, expression=pb.EXPRESSION_HAPPINESS), timeout=10
        )
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_crops_of_the_wrong_size_are_refused(toy_stack: Stack) -> None:
    with grpc.insecure_channel(toy_stack.address("classification")) as channel:
        stub = mien_pb2_grpc.ExpressionClassificationStub(channel)
        for crops in ([], [pb.FaceCrop(rgb=b"123", side_px=112)], [pb.FaceCrop(rgb=bytes(64 * 64 * 3), side_px=64)]):
            with pytest.raises(grpc.RpcError) as caught:
                stub.Classify(pb.ClassifyRequest(crops=crops), timeout=10)
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_health_answers_for_each_service_and_for_all(toy_stack: Stack) -> None:
    for service, name in (
        ("gateway", "mien.v1.Gateway"),
        ("detection", "mien.v1.FaceDetection"),
        ("classification", "mien.v1.ExpressionClassification"),
        ("generation", "mien.v1.ExpressionGeneration"),
    ):
        with grpc.insecure_channel(toy_stack.address(service)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for asked in ("", name):
                reply = stub.Check(health_pb2.HealthCheckRequest(service=asked), timeout=5)
                assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_contract(toy_stack: Stack) -> None:
    with grpc.insecure_channel(toy_stack.address()) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (reply,) = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5
        )
    assert "mien.v1.Gateway" in {service.name for service in reply.list_services_response.service}


def test_three_processes_answer_as_one_does(toy_stack: Stack, toy_repository: object, photo: bytes) -> None:
    with (
        running("detection", model_repository=toy_repository) as detection,
        running("classification", model_repository=toy_repository) as classification,
        running(
            "gateway",
            detection_address=detection.address("detection"),
            classification_address=classification.address("classification"),
        ) as gateway,
    ):
        apart = httpx.post(gateway.url() + "/v1/classify", files={"image": photo}, timeout=30).json()
        assert apart == httpx.post(toy_stack.url() + "/v1/classify", files={"image": photo}, timeout=30).json()
        models = httpx.get(gateway.url() + "/v1/models").json()
        assert models == httpx.get(toy_stack.url() + "/v1/models").json()
        bad = httpx.post(gateway.url() + "/v1/classify", files={"image": b"junk"}, headers={"x-request-id": "far-1"})
        assert (bad.status_code, bad.json()["code"], bad.json()["request_id"]) == (400, "not_an_image", "far-1")
        assert "far-1" in detection.log.read_text()  # the id travelled on
        tight = httpx.post(
            gateway.url() + "/v1/classify", files={"image": photo}, headers={"request-timeout": "0.00001"}
        )
        assert tight.json()["code"] == "deadline_exceeded"
        classification.stop()
        assert httpx.get(gateway.url() + "/readyz").status_code == 503
        down = httpx.post(gateway.url() + "/v1/classify", files={"image": photo}, timeout=30)
        assert (down.status_code, down.json()["code"]) == (503, "unavailable")
