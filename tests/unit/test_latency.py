"""What a session tells of its answers' latency."""

import pytest

from gateway import events
from gateway.latency import Latency


def told(latency_s: list[tuple[float, float]]) -> list[events.Message]:
    """The events of conversations with (frames a second, seconds to the answer) each."""
    found: list[events.Message] = []
    latency, now_s = Latency(found.append), 0.0
    for fps, answer_s in latency_s:
        for index in range(round(10 * fps)):
            latency.frame(now_s + index / fps)
        now_s += 10.0
        latency.begin("speech", now_s)
        latency.reached("payload", now_s + answer_s)
        latency.reached("payload", now_s + answer_s + 0.1)
        now_s += 5.0
    return found


def test_an_answer_is_told_once() -> None:
    """With its trigger, the point that was reached, and the frame rate it was held against."""
    (message,) = told([(2.0, 0.5)])
    data = message["data"]
    assert (data["type"], data["trigger"], data["to"], data["ms"]) == ("ttfab", "speech", "payload", 500)
    assert data["video_fps"] == pytest.approx(2.0, abs=0.15)


def test_a_cancelled_answer_is_not_told() -> None:
    """The person went on speaking."""
    found: list[events.Message] = []
    latency = Latency(found.append)
    latency.begin("speech", 1.0)
    latency.cancel()
    latency.reached("payload", 2.0)
    assert found == []


def test_frames_that_cost_latency_are_warned_of_once() -> None:
    """When answers come later the more frames are sent, the operator is told what to lower."""
    found = told([(fps, 0.4 + 0.3 * fps) for fps in (1.0, 3.0) * 15])
    notices = [message["data"] for message in found if message["data"]["type"] == "notice"]
    assert [notice["code"] for notice in notices] == ["video_costs_latency"]
    assert "GATEWAY_VIDEO_FPS_MAX" in notices[0]["text"]
