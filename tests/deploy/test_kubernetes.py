"""The manifests as kubectl renders them: valid by Kubernetes' schemas, and true to what the services do."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from services.chassis import server
from services.metrics import Metrics
from services.settings import Settings

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
SERVICES = ("gateway", "detection", "classification", "generation")
OTHERS = {"ServiceMonitor"}  # kinds that Kubernetes itself does not bring

Document = dict[str, Any]


@cache
def rendered(overlay: str) -> tuple[Document, ...]:
    beside = Path(sys.executable).with_name("kubectl")
    kubectl = str(beside) if beside.is_file() else shutil.which("kubectl")
    assert kubectl, "kubectl comes with the extra dev: make test installs it"
    done = subprocess.run([kubectl, "kustomize", str(FOLDER / overlay)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of(overlay: str, kind: str) -> dict[str, Document]:
    """The documents of a kind by name, without their head."""
    return {one["metadata"]["name"]: one for one in rendered(overlay) if one["kind"] == kind}


def pod(overlay: str, name: str) -> Document:
    spec: Document = of(overlay, "Deployment")[name]["spec"]["template"]["spec"]
    return spec


def settings_of(overlay: str) -> dict[str, str]:
    (config,) = of(overlay, "ConfigMap").values()
    data: dict[str, str] = config["data"]
    return data


@pytest.mark.parametrize("overlay", ["base", "gpu", "keys", "monitoring"])
def test_every_document_is_valid_by_kubernetes_schemas_and_in_our_namespace(overlay: str) -> None:
    assert rendered(overlay)
    for document in rendered(overlay):
        if document["kind"] not in OTHERS:
            kubernetes_validate.validate(document, "1.34", strict=True)
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "mien"


def test_the_schemas_refuse_what_is_no_field() -> None:
    document = dict(of("base", "Service")["gateway"])
    document["spec"] = {**document["spec"], "clusterIPP": "None"}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, "1.34", strict=True)


@pytest.mark.parametrize("overlay", ["base", "gpu"])
def test_settings_are_ones_that_the_services_read(overlay: str) -> None:
    known = {f"MIEN_{name.upper()}" for name in Settings.model_fields}
    assert settings_of(overlay).keys() <= known
    assert settings_of(overlay)["MIEN_HOST"] == "0.0.0.0"
    for container in (pod(overlay, name)["containers"][0] for name in SERVICES):
        assert container["envFrom"] == [{"configMapRef": {"name": next(iter(of(overlay, "ConfigMap")))}}]


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_has_the_time_that_its_end_takes(name: str) -> None:
    longest_s = float(settings_of("base")["MIEN_DRAIN_S"]) + server._GRACE_S
    assert pod("base", name)["terminationGracePeriodSeconds"] >= longest_s + 10
    assert "lifecycle" not in pod("base", name)["containers"][0]  # the service itself waits MIEN_DRAIN_S


@pytest.mark.parametrize("name", SERVICES)
def test_an_update_asks_no_pod_to_go_before_another_is_ready(name: str) -> None:
    spec = of("base", "Deployment")[name]["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert "replicas" not in spec  # the autoscaler's affair
    assert of("base", "HorizontalPodAutoscaler")[name]["spec"]["minReplicas"] >= 2
    assert of("base", "PodDisruptionBudget")[name]["spec"]["maxUnavailable"] == 1


@pytest.mark.parametrize("name", SERVICES)
def test_ports_probes_and_addresses_are_the_services_own(name: str) -> None:
    (container,) = pod("base", name)["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    settings = Settings()
    assert ports == {"rest": getattr(settings, f"{name}_rest_port"), "grpc": getattr(settings, f"{name}_rpc_port")}
    assert container["args"] == ["serve", name]
    paths = [container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")]
    assert paths == ["/livez", "/livez", "/readyz"]
    service = of("base", "Service")[name]["spec"]
    assert service["selector"] == of("base", "Deployment")[name]["spec"]["selector"]["matchLabels"]
    if name != "gateway":
        assert service["clusterIP"] == "None"  # the gateway's channel goes round the pods itself
        assert settings_of("base")[f"MIEN_{name.upper()}_ADDRESS"] == f"{name}:{ports['grpc']}"


@pytest.mark.parametrize("name", [*SERVICES, "triton"])
def test_pods_are_restricted(name: str) -> None:
    spec = pod("gpu", name)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
    if name != "triton":
        assert "volumes" not in spec  # photos cannot reach a disk


def test_the_gateway_alone_has_the_keys_and_cannot_write_them() -> None:
    assert settings_of("base")["MIEN_OPEN"] == "true"
    (container,) = pod("keys", "gateway")["containers"]
    given = {one["name"]: one["value"] for one in container["env"]}
    assert given["MIEN_OPEN"] == "false"
    (mount,) = container["volumeMounts"]
    assert mount["readOnly"] is True
    assert given["MIEN_KEYS_FILE"].startswith(mount["mountPath"] + "/")
    assert pod("keys", "gateway")["volumes"] == [{"name": mount["name"], "secret": {"secretName": "keys"}}]
    for name in SERVICES[1:]:
        assert pod("keys", name) == pod("base", name)


def test_only_three_services_reach_triton_and_nobody_what_no_policy_names() -> None:
    policies = of("gpu", "NetworkPolicy")
    nothing = policies["nothing-by-default"]["spec"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    to_triton = [
        rule
        for policy in policies.values()
        if policy["spec"]["podSelector"].get("matchLabels") == {"app.kubernetes.io/name": "triton"}
        for rule in policy["spec"].get("ingress", [])
    ]
    (asked,) = (rule for rule in to_triton if rule["ports"] == [{"port": "grpc"}])
    (selector,) = asked["from"][0]["podSelector"]["matchExpressions"]
    assert selector["values"] == ["detection", "classification", "generation"]
    assert "http" not in {port["port"] for rule in to_triton for port in rule["ports"]}


def test_what_leaves_the_namespace_is_names_to_look_up_and_traces() -> None:
    ours = {"app.kubernetes.io/name", "app.kubernetes.io/component"}
    outward = {
        (one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for policy in of("gpu", "NetworkPolicy").values()
        for rule in policy["spec"].get("egress", [])
        for one in rule["to"]
        for port in rule["ports"]
        if "namespaceSelector" in one or not one["podSelector"]["matchLabels"].keys() & ours
    }
    assert outward == {("kube-system", 53), ("monitoring", 4317)}


def test_the_gpu_overlay_asks_triton_and_gives_it_a_gpu_and_time_to_drain() -> None:
    assert settings_of("gpu")["MIEN_BACKEND"] == "triton"
    assert settings_of("base").get("MIEN_BACKEND", "embedded") == "embedded"
    spec = pod("gpu", "triton")
    (container,) = spec["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    held_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    exits_s = int(next(word for word in container["args"] if "exit-timeout" in word).partition("=")[2])
    assert spec["terminationGracePeriodSeconds"] > held_s + exits_s


def test_triton_gets_the_images_models_with_the_gpus_configs_and_somewhere_for_engines() -> None:
    """The paths are the Dockerfile's and the overlay's."""
    spec, dockerfile = pod("gpu", "triton"), (FOLDER.parent / "Dockerfile").read_text()
    (layout,), (container,) = spec["initContainers"], spec["containers"]
    assert layout["image"].endswith("/mien:serve")
    for path in ("/models", "/opt/triton/gpu"):
        assert f'"{path}"' in layout["args"][0]
        assert f" {path}/" in dockerfile
    assert layout["env"] == [{"name": "PYTHONPATH", "value": "/opt/triton"}]
    assert "--model-repository=/work/repository" in container["args"]
    written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    caches = {
        found
        for path in (FOLDER.parent / "triton" / "gpu").glob("*.pbtxt")
        for found in re.findall(r'cache_path" value: "(/[^"]*)"', path.read_text())
    }
    for needed in caches:
        assert any(needed.startswith(f"{path}/") for path in written)


def test_autoscalers_follow_metrics_that_exist_and_that_the_adapter_gives() -> None:
    adapter = yaml.safe_load((FOLDER / "monitoring" / "adapter_values.yaml").read_text())
    given = {rule["seriesQuery"].partition("{")[0] for rule in adapter["rules"]["custom"]}
    wanted = {
        metric["pods"]["metric"]["name"]
        for overlay in ("base", "gpu")
        for scaler in of(overlay, "HorizontalPodAutoscaler").values()
        for metric in scaler["spec"]["metrics"]
        if metric["type"] == "Pods"
    }
    assert wanted == given
    ours = {name for name in wanted if name.startswith("mien_")}
    assert ours
    exposed = Metrics("test").exposition().decode()
    for name in ours:
        assert f"# TYPE {name} gauge" in exposed


def test_what_is_scraped_are_services_that_exist() -> None:
    for monitor in of("monitoring", "ServiceMonitor").values():
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        found = [one for one in of("gpu", "Service").values() if wanted <= one["metadata"]["labels"].items()]
        assert found
        for endpoint in monitor["spec"]["endpoints"]:
            for service in found:
                assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
