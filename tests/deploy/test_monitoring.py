"""Alert rules, dashboard and scraping: judged by Prometheus's own tool, and by the metrics that there are."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.telemetry.metrics import REGISTRY
from tests.programs import require

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/gateway.json").read_text(encoding="utf-8"))
ALERTS = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
OF_PROMETHEUS = {"up", "process_start_time_seconds"}


def promtool(*arguments: str, directory: Path = PROMETHEUS) -> str:
    """Run it; its complaint, or nothing."""
    tool = require("promtool", "apt-get install prometheus")
    ended = subprocess.run([tool, *arguments], capture_output=True, text=True, cwd=directory)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


def panels() -> Iterator[dict[str, Any]]:
    """Those that show something."""
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> dict[str, str]:
    """Every query of the dashboard, by where it stands."""
    found = {f"{panel['title']} {target['refId']}": target["expr"] for panel in panels() for target in panel["targets"]}
    return found | {one["name"]: one["expr"] for one in DASHBOARD["annotations"]["list"]}


def series() -> dict[str, set[str]]:
    """Names of all series that the gateway exposes, each with its labels."""
    found: dict[str, set[str]] = {}
    for metric in REGISTRY.collect():
        collector = REGISTRY._names_to_collectors.get(metric.name)
        labels = set(getattr(collector, "_labelnames", ()))
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(metric.type, ("",))
        for suffix in suffixes:
            found[metric.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """And the rules that it names. The key's file is made by the container, so there is another one here."""
    key = tmp_path / "key"
    key.write_text("k")
    for file in PROMETHEUS.glob("*.yml"):
        (tmp_path / file.name).write_text(file.read_text().replace("/run/operator/key", str(key)))
    assert promtool("check", "config", "prometheus.yml", directory=tmp_path) == ""


def test_each_alert_fires_when_its_trouble_is_there_and_not_before() -> None:
    """By promtool's own unit tests of rules; every alert has both."""
    assert promtool("test", "rules", "alerts_test.yml") == ""
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    names = {rule["alert"] for rule in ALERTS}
    assert {one["alertname"] for one in tests[0]["alert_rule_test"]} == names
    fired = {re.findall('"(.+)"', one["labels"])[0] for one in tests[1]["promql_expr_test"][0]["exp_samples"]}
    assert fired == names


def test_each_alert_has_its_paragraph() -> None:
    """In docs/operate.md, under the heading that the rule names."""
    headings = re.findall(r"(?m)^#+ (\w+)$", (ROOT / "docs/operate.md").read_text(encoding="utf-8"))
    for rule in ALERTS:
        assert rule["alert"] in headings
        assert rule["annotations"]["runbook"] == f"docs/operate.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "look")


def test_every_query_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    """By Prometheus, as a rule would be."""
    rules = [
        {"record": f"panel:{index}", "expr": re.sub(r"\$__\w+", "5m", expr).replace("$instance", ".*")}
        for index, expr in enumerate(expressions().values())
    ]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert promtool("check", "rules", str(file)) == ""


@pytest.mark.parametrize(
    "expression",
    [*expressions().values(), *(rule["expr"] for rule in ALERTS)],
    ids=[*expressions(), *(rule["alert"] for rule in ALERTS)],
)
def test_every_series_that_is_asked_for_is_there(expression: str) -> None:
    """With the labels that are asked for: a misspelt name is an empty panel, or an alert that is silent."""
    there = series()
    asked = re.findall(r"\b((?:gateway|process)_\w+|up)\b(?:\{([^}]*)\})?", expression)
    assert asked
    for name, selector in asked:
        assert name in there or name in OF_PROMETHEUS, name
        labels = set(re.findall(r"(\w+)\s*=", selector)) - {"instance", "job"}
        assert labels <= there.get(name, set()), name
    groups = {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
    assert groups - {"instance"} <= set.union(*(there.get(name, set()) for name, _ in asked))


def test_the_dashboard_is_one_that_grafana_can_place() -> None:
    """Unique ids and names; panels that do not overlap, within 24 columns; the data source that is provisioned."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    provisioned = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    (source,) = provisioned["datasources"]
    assert {panel["datasource"]["uid"] for panel in panels()} == {source["uid"]}
    (provider,) = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/gateway.yml").read_text())["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"  # as docker-compose.yml mounts it
    titles = " ".join(panel["title"] for panel in panels())
    for wanted in (
        "TTFAB against the frame upload rate",
        "Sessions",
        "Packets lost",
        "Links opened",
        "by code",
        "Tokens",
        "Load",
        "budgets reached",
    ):
        assert wanted in titles
