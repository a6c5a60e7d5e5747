"""Images and containers without a Docker engine: podman and buildah, and base images by debootstrap."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = "bookworm"
# More than this is refused inside of a container.
ULIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")


@dataclass
class Run:
    """One run of the whole, and what was seen in it."""

    work: Path
    seen: list[tuple[str, str]] = field(default_factory=list)

    def note(self, what: str, how: str) -> None:
        """One line of the report."""
        self.seen.append((what, how))
        print(f"{what}: {how}", flush=True)

    @property
    def storage(self) -> list[str]:
        """Images and containers of this run only."""
        return ["--root", str(self.work / "storage"), "--runroot", str(self.work / "run"), "--storage-driver", "vfs"]

    def podman(self, *arguments: str, check: bool = True) -> str:
        """Run it; what it printed."""
        command = ["podman", *self.storage, "--runtime", "/usr/sbin/runc", "--cgroup-manager", "cgroupfs", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True)
        if check and ended.returncode:
            raise AssertionError(
                f"podman {' '.join(arguments)} ended with {ended.returncode}: {ended.stderr or ended.stdout}"
            )
        return ended.stdout + ended.stderr

    def status(self, *arguments: str) -> int:
        """Run podman; its exit code."""
        command = ["podman", *self.storage, "--runtime", "/usr/sbin/runc", "--cgroup-manager", "cgroupfs", *arguments]
        return subprocess.run(command, capture_output=True).returncode

    def build(self, tag: str, context: Path, containerfile: Path | None = None) -> None:
        """Build an image; its size and the time go to the report."""
        begun_s = time.monotonic()
        command = ["buildah", *self.storage, "bud", "--isolation", "chroot", "--network", "host", "--format", "docker"]
        file = ["--file", str(containerfile)] if containerfile else []
        with (self.work / "build.log").open("a") as log:
            ended = subprocess.run([*command, *self._pip(), "--tag", tag, *file, str(context)], stdout=log, stderr=log)
        if ended.returncode:
            raise AssertionError(f"{tag} cannot be built: {(self.work / 'build.log').read_text()[-2000:]}")
        size = int(self.podman("image", "inspect", "--format", "{{.Size}}", tag))
        base = int(self.podman("image", "inspect", "--format", "{{.Size}}", base_image()))
        self.note(
            f"build `{tag.removeprefix('localhost/')}`",
            f"{(size - base) / 1e6:.0f} MB on top of Debian, {time.monotonic() - begun_s:.0f} s",
        )

    def _pip(self) -> list[str]:
        """This machine's way to a package index, where it has one of its own, for the time of a build."""
        configuration = Path("/etc/pip.conf")
        if not configuration.exists():
            return []
        copy = self.work / "pip"
        copy.mkdir(exist_ok=True)
        text = re.sub(r"(?m)^constraint.*$", "", configuration.read_text())
        certificate = re.search(r"(?m)^cert *= *(\S+)", text)
        if certificate:
            shutil.copy(certificate[1], copy / "ca.crt")
            text = text.replace(certificate[1], "/pip-of-the-builder/ca.crt")
        (copy / "pip.conf").write_text(text)
        return ["--volume", f"{copy}:/pip-of-the-builder:ro", "--volume", f"{copy / 'pip.conf'}:/etc/pip.conf:ro"]


def base_image() -> str:
    """The name in the gateway's Dockerfile."""
    return "docker.io/library/" + re.findall(r"(?m)^ARG DEBIAN=(\S+)", (ROOT / "Dockerfile").read_text())[0]


def make_bases(run: Run) -> None:
    """Debian by debootstrap, and Debian's coturn under the name of upstream's image, with the same file capability."""
    root = run.work / "debian"
    subprocess.run(["debootstrap", "--variant=minbase", SUITE, str(root)], check=True, capture_output=True)
    shutil.rmtree(root / "var/cache/apt/archives")
    # As Debian's own image has it.
    (root / "etc/apt/apt.conf.d/docker-clean").write_text(
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n'
    )
    tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
    command = ["podman", *run.storage, "import", "-", base_image()]
    subprocess.run(command, stdin=tar.stdout, check=True, capture_output=True)
    assert tar.wait() == 0
    version = (root / "etc/debian_version").read_text().strip()
    run.note("base image", f"Debian {version} by debootstrap, as `{base_image()}`")
    coturn = "docker.io/" + re.findall(r"(?m)^ARG COTURN=(\S+)", (ROOT / "turn/Dockerfile").read_text())[0]
    standing_in = run.work / "Containerfile.coturn"
    standing_in.write_text(
        f"FROM {base_image()}\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends coturn libcap2-bin"
        " && setcap CAP_NET_BIND_SERVICE=+ep /usr/bin/turnserver\n"
        "USER nobody:nogroup\n"
    )
    run.build(coturn, run.work, standing_in)
    assert run.status(
        "run", "--rm", "--network", "host", *ULIMITS, "--cap-drop", "ALL", coturn, "turnserver", "--version"
    )
    run.note(f"`{coturn.removeprefix('docker.io/')}` as it is, all capabilities dropped", "cannot be executed")
