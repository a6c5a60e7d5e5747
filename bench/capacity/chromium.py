"""Callers that are real: the call page in tabs of one Chromium, in place of `replayer`, and told the same.

They are few, because a tab takes more of a processor than its call takes of the gateway's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
from playwright.async_api import Browser, Page, async_playwright
from scipy.io import wavfile

from bench.capacity.process import told
from bench.capacity.recording import RTP_HZ, speech_pcm
from tests.browser.camera import write_camera
from tests.browser.conftest import CHROMIUM
from tests.browser.stats import KEEP_PEERS, stats
from tests.integration.guarded import signed


async def join(browser: Browser, url: str) -> Page:
    """A person who calls; the page shows what the camera sees until it is told not to."""
    context = await browser.new_context(permissions=["microphone", "camera"])
    page = await context.new_page()
    await page.add_init_script(KEEP_PEERS)
    await page.goto(url)
    await page.click("#start")
    await page.wait_for_function("() => window.joinedMs")
    return page


async def run(url: str) -> None:
    """Do what is asked."""
    with tempfile.TemporaryDirectory() as name:
        microphone, picture = Path(name) / "microphone.wav", Path(name) / "camera.mjpeg"
        wavfile.write(microphone, RTP_HZ, np.frombuffer(speech_pcm(), "<i2"))
        write_camera(picture)
        devices = [f"--use-file-for-fake-audio-capture={microphone}", f"--use-file-for-fake-video-capture={picture}"]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=[*CHROMIUM, *devices], handle_sigint=False
            )
            pages: list[Page] = []
            print("Ready: all", flush=True)
            async for words in told():
                match words:
                    case ["calls", count]:
                        while len(pages) < int(count):
                            token = signed(sub=f"caller-{len(pages)}", exp=int(time.time()) + 3600)
                            pages.append(await join(browser, f"{urljoin(url, '/')}#token={token}"))
                        print(f"Live: {len(pages)}", flush=True)
                    case ["figures", path]:
                        streams = [one for page in pages for one in await stats(page, "inbound-rtp")]
                        packets = sum(one["packetsReceived"] for one in streams)
                        text = json.dumps({"calls": len(pages), "voice_packets": packets})
                        await asyncio.to_thread(Path(path).write_text, text, encoding="utf-8")
                        print("written: all", flush=True)
            await browser.close()


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--door", choices=("sdp",), default="sdp")
    parser.add_argument("--scenario", choices=("page",), required=True)
    asyncio.run(run(parser.parse_args().url))


if __name__ == "__main__":
    main()
