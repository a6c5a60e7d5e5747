"""The manifests, by the schemas of Kubernetes, and by what they have to agree on."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gateway.settings import Settings, env_names, secret_fields
from gateway.telemetry.metrics import REGISTRY
from gateway.workers import KILL_S

ROOT = Path(__file__).parents[2]
K8S = ROOT / "deploy/k8s"
MANIFESTS = [
    (path.name, manifest)
    for path in (K8S / "gateway.yaml", K8S / "secret.example.yaml")
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
BY_KIND: dict[str, Any] = {manifest["kind"]: manifest for _, manifest in MANIFESTS}
VERSIONS = ("1.31", "1.37")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "manifest", [one for _, one in MANIFESTS], ids=[f"{file} {one['kind']}" for file, one in MANIFESTS]
)
def test_kubernetes_knows_every_field(manifest: dict[str, Any], version: str) -> None:
    """Strictly: a field that its schema does not name is a mistake."""
    kubernetes_validate.validate(manifest, version, strict=True)


def test_what_is_meant_to_be_the_same_is() -> None:
    """Selectors, secrets and ports; every variable is a setting."""
    pod = BY_KIND["Deployment"]["spec"]["template"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert BY_KIND[kind]["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert BY_KIND["Service"]["spec"]["selector"] == pod["metadata"]["labels"]
    gateway, turn = pod["spec"]["containers"]
    names = set(BY_KIND["ConfigMap"]["data"]) | {one["name"] for one in gateway["env"]} - {"NODE_ADDRESS"}
    known = {name for field in Settings.model_fields for name in env_names(field)}
    assert names <= known | {name + "_FILE" for field in secret_fields() for name in env_names(field)}
    ports = {port["name"]: str(port["containerPort"]) for port in gateway["ports"]}
    data = BY_KIND["ConfigMap"]["data"]
    assert ports == {"http": data["GATEWAY_PORT"], "media": data["GATEWAY_UDP_PORT"]}
    files = {
        value["value"].removeprefix("/secrets/")
        for one in (gateway, turn)
        for value in one["env"]
        if "/secrets/" in str(value.get("value"))
    }
    assert files == set(BY_KIND["Secret"]["stringData"])
    assert set(BY_KIND["Secret"]["stringData"].values()) == {"changeme"}  # which is refused at the start


def test_pods_are_restricted() -> None:
    """As the containers of compose are."""
    spec = BY_KIND["Deployment"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert not spec["automountServiceAccountToken"]
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert container["livenessProbe"]
    for volume in spec["volumes"]:
        assert "secret" in volume or volume["emptyDir"]["sizeLimit"]


def test_a_pod_has_time_to_go() -> None:
    """What it waits before and after the signal fits into its grace."""
    spec = BY_KIND["Deployment"]["spec"]["template"]["spec"]
    before_s = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    drain_s = float(BY_KIND["ConfigMap"]["data"]["GATEWAY_DRAIN_S"])
    assert before_s + drain_s + KILL_S + 10 <= spec["terminationGracePeriodSeconds"]


def test_the_autoscaler_asks_for_what_the_adapter_makes() -> None:
    """Of metrics that the gateway exposes."""
    rules = yaml.safe_load((K8S / "adapter-values.yaml").read_text())["rules"]["custom"]
    metrics = BY_KIND["HorizontalPodAutoscaler"]["spec"]["metrics"]
    asked = [metric["pods"]["metric"]["name"] for metric in metrics if metric["type"] == "Pods"]
    assert asked == [rule["name"]["as"] for rule in rules] == ["gateway_load_share", "gateway_occupancy"]
    read = {name for rule in rules for name in re.findall(r"gateway_\w+", rule["seriesQuery"] + rule["metricsQuery"])}
    assert read == {"gateway_load_share", "gateway_sessions", "gateway_sessions_max"}
    assert read <= {metric.name for metric in REGISTRY.collect()}
