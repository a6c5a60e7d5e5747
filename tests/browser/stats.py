"""What the connections of a page tell of themselves (W3C, webrtc-stats)."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

# Before the page's own scripts, so that each of its connections is known, and when the first was connected.
KEEP_PEERS = """
window.peers = [];
const Native = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(...given) {
    super(...given);
    window.peers.push(this);
    this.addEventListener("connectionstatechange", () => {
      if (this.connectionState === "connected") window.joinedMs ??= performance.now();
    });
  }
};
"""
OF_TYPE = """async (type) => {
  const reports = await Promise.all(window.peers.map((peer) => peer.getStats()));
  return reports.flatMap((report) => [...report.values()].filter((one) => one.type === type));
}"""


async def stats(page: Page, kind: str) -> list[dict[str, Any]]:
    """The dictionaries of this type, such as `inbound-rtp`, of all connections."""
    return list(await page.evaluate(OF_TYPE, kind))
