"""Debian's Prometheus with the configuration of deploy/, beside a gateway that runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.programs import free_port

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60


class Prometheus:
    """`with Prometheus(directory, port, key) as prometheus: prometheus.value("up")`; it looks once a second."""

    def __init__(self, directory: Path, gateway_port: str, operator_key: str) -> None:
        self._directory = directory / "prometheus"
        self._port = free_port()
        shutil.copytree(ROOT / "deploy/prometheus", self._directory)
        key = self._directory / "key"
        key.write_text(operator_key)
        file = self._directory / "prometheus.yml"
        text = file.read_text()
        for old, new in {
            "127.0.0.1:8080": f"127.0.0.1:{gateway_port}",
            "127.0.0.1:9090": f"127.0.0.1:{self._port}",
            "/run/operator/key": str(key),
            "_interval: 15s": "_interval: 1s",
        }.items():
            assert old in text
            text = text.replace(old, new)
        file.write_text(text)

    def __enter__(self) -> Prometheus:
        options = {
            "config.file": self._directory / "prometheus.yml",
            "storage.tsdb.path": self._directory / "data",
            "web.listen-address": f"127.0.0.1:{self._port}",
        }
        command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
        self._log = (self._directory / "log").open("w")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(TIMEOUT_S)
        self._log.close()

    def said(self) -> str:
        """Its log."""
        return (self._directory / "log").read_text()

    def ask(self, path: str, **parameters: str) -> Any:
        """Its API."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            return json.load(response)["data"]

    def rules(self) -> dict[str, str]:
        """Whether each rule could be worked out, by its name; nothing before it listens."""
        try:
            return {rule["name"]: rule["health"] for group in self.ask("rules")["groups"] for rule in group["rules"]}
        except OSError:
            return {}

    def value(self, expression: str) -> float:
        """Of the first series; 0 where there is none."""
        found = self.ask("query", query=expression)["result"]
        return float(found[0]["value"][1]) if found else 0.0
