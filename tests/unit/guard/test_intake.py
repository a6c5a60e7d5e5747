"""How much media a call may send, and what becomes of more."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.guard.intake import ABUSE_S, CALM_S, SOUND_PACKETS_MAX, Intake, Verdict

VIDEO, SOUND = (1100, True), (120, False)


class Sender:
    """One call that sends evenly."""

    def __init__(self) -> None:
        self.intake = Intake(max_kbps=8_000, max_packets_per_s=1_000)
        self.now_s = 0.0
        self.verdicts: list[tuple[float, Verdict]] = []
        self.taken = {True: 0, False: 0}
        self.sent = {True: 0, False: 0}

    def sends(self, seconds: float, video_per_s: int = 0, sound_per_s: int = 50) -> None:
        """In steps of 20 ms."""
        for _ in range(round(seconds * 50)):
            for (size, is_video), rate in ((VIDEO, video_per_s), (SOUND, sound_per_s)):
                for _ in range(rate // 50):
                    self.sent[is_video] += 1
                    self.taken[is_video] += self.intake.take(size, is_video)
            self.now_s += 0.02
            if (verdict := self.intake.look(self.now_s)) is not None:
                self.verdicts.append((round(self.now_s, 2), verdict))


def test_a_normal_call_is_never_met() -> None:
    """A camera of 4 Mbit/s and speech that is repeated."""
    sender = Sender()
    sender.sends(60.0, video_per_s=450, sound_per_s=150)
    assert sender.taken == sender.sent
    assert sender.verdicts == []


def test_over_the_limit_the_camera_goes_and_the_sound_stays() -> None:
    """At once within the second, then until the sender has kept to the limit for a while."""
    sender = Sender()
    sender.sends(20.0, video_per_s=2_000)
    assert sender.taken[False] == sender.sent[False], "sound is never dropped because of video"
    assert sender.taken[True] <= 1_000
    assert [verdict for _, verdict in sender.verdicts] == [Verdict.NO_VIDEO]
    before = sender.taken[True]
    sender.sends(CALM_S + 1.5, video_per_s=50)
    assert [verdict for _, verdict in sender.verdicts] == [Verdict.NO_VIDEO, Verdict.FINE]
    sender.sends(5.0, video_per_s=50)
    assert sender.taken[True] >= before + 250


def test_a_short_burst_ends_no_call() -> None:
    """A key frame of some hundred packets, or a stall after which everything comes at once."""
    sender = Sender()
    for _ in range(5):
        sender.sends(3.0, video_per_s=5_000)
        sender.sends(10.0, video_per_s=50)
    assert Verdict.END not in [verdict for _, verdict in sender.verdicts]
    assert sender.taken[False] == sender.sent[False]


def test_a_flood_that_goes_on_ends_the_call() -> None:
    """Of video many times over the limit, or of sound that no call has."""
    for rates in ({"video_per_s": 5_000}, {"sound_per_s": 2 * SOUND_PACKETS_MAX}):
        sender = Sender()
        sender.sends(ABUSE_S + 2, **rates)
        at_s, verdict = sender.verdicts[-1]
        assert verdict is Verdict.END
        assert ABUSE_S <= at_s <= ABUSE_S + 2
        assert sender.taken[False] <= SOUND_PACKETS_MAX * (ABUSE_S + 3)


def test_a_stalled_loop_is_not_taken_for_a_flood() -> None:
    """What came during three seconds is judged as three seconds."""
    intake = Intake(8_000, 1_000)
    intake.look(0.0)
    for _ in range(2_500):
        intake.take(100, True)
    assert intake.look(3.0) is None


@given(st.lists(st.tuples(st.integers(12, 1500), st.booleans()), max_size=3000))
def test_no_more_than_the_limit_is_taken_in_a_second(packets: list[tuple[int, bool]]) -> None:
    """Of video together with sound, and of sound alone."""
    intake = Intake(1_000, 300)
    taken = [(size, is_video) for size, is_video in packets if intake.take(size, is_video)]
    video = [size for size, is_video in taken if is_video]
    assert len(video) <= 300
    assert sum(video) <= 125_000
    assert sum(not is_video for _, is_video in taken) <= SOUND_PACKETS_MAX
