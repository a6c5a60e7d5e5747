"""Makes .env of .env.example: random secrets, and this machine's address. Needs nothing but Python.

    make secrets

**Invariant: a .env that is there is never changed; what a new version adds to the example is named.**
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
import socket
import sys
from pathlib import Path

PLACEHOLDER = "changeme"
SECRET_BYTES = 32
EXIT_WRONG = 2


def main(directory: Path) -> int:
    """Write `directory/.env`; the exit code."""
    example, target = directory / ".env.example", directory / ".env"
    text = example.read_text(encoding="utf-8")
    filled = fill(text, own_address())
    try:
        # Nobody else may read it, from the first byte on.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _tell_difference(names(text), names(target.read_text(encoding="utf-8")))
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(filled)
    print(".env is there, with random secrets. Look through its top and fill in what you need; empty so far:")
    print("  " + " ".join(missing(filled)))
    return 0


def fill(text: str, address: str | None) -> str:
    """The example with a secret for each placeholder, and the address where one is asked for."""
    for name in re.findall(rf"(?m)^(\w+)={PLACEHOLDER}$", text):
        secret = secrets.token_urlsafe(SECRET_BYTES)
        text = re.sub(rf"(?m)^{name}={PLACEHOLDER}$", f"{name}={secret}", text)
    if address is not None:
        text = re.sub(r"(?m)^PRIVATE_IPV4=$", f"PRIVATE_IPV4={address}", text)
        if ipaddress.ip_address(address).is_global:
            text = re.sub(r"(?m)^PUBLIC_IPV4=$", f"PUBLIC_IPV4={address}", text)
    return text


def names(text: str) -> set[str]:
    """The variables that are set, or shown as a comment."""
    return set(re.findall(r"(?m)^#? ?([A-Z][A-Z0-9_]+)=", text))


def missing(text: str) -> list[str]:
    """What is asked for at the top, and empty."""
    return re.findall(r"(?m)^([A-Z0-9_]+)=$", text.partition("# ----- Secrets")[0])


def own_address() -> str | None:
    """The address from which this machine would speak to the internet; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation addresses: routed like the internet, answered by nobody
        except OSError:
            return None
        return str(probe.getsockname()[0])


def _tell_difference(example: set[str], present: set[str]) -> int:
    print(".env is there already and is left as it is.", file=sys.stderr)
    if new := sorted(example - present):
        print(f"This version also knows: {' '.join(new)}", file=sys.stderr)
    return EXIT_WRONG


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parents[1]))
