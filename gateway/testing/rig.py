"""What one test session has instead of the model and of its network.

Owns a simulator and a relay for this session alone, so that nothing that is broken here is broken for anybody else. It
must not know sessions or HTTP.
**Invariant: after `close` neither listens any more.**
"""

from __future__ import annotations

import asyncio

from gateway.errors import BadRequest, DrillImpossible
from gateway.impair import Relay, host_candidates, without_candidates
from gateway.live.upstream import Upstream, upstream_from
from gateway.settings import Settings
from gateway.simulator import Script, Simulator
from gateway.simulator.faults import read_script
from gateway.testing.plan import ANSWERS, FAULTS, SLOW_TOOL, Drill, Plan
from gateway.tools.tool import Tool, from_function

SIMULATED_MODEL = "gemini-3.8-live"


class Rig:
    """Made by `open_rig`."""

    def __init__(self, simulator: Simulator | None, upstream: Upstream | None, relay: Relay | None, near: str) -> None:
        self.upstream = upstream  # None: the operator's own
        self._simulator = simulator
        self._relay = relay
        self._near = near
        self._is_open = False

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What the simulated model may call besides the operator's tools."""
        return (from_function(wait, name=SLOW_TOOL),) if self._simulator is not None else ()

    @property
    def is_relayed(self) -> bool:
        """Whether browser and gateway meet at the relay only."""
        return self._relay is not None

    def offered(self, sdp: str) -> str:
        """What the gateway is told of the browser's description."""
        return without_candidates(sdp) if self._relay is not None else sdp

    async def answered(self, sdp: str) -> str:
        """What the browser is told of the gateway's description."""
        if self._relay is None:
            return sdp
        if not self._is_open:
            self._is_open = True
            # The one that the browser has reached already, when media can go there.
            candidates = host_candidates(sdp)
            address = next((one for one in candidates if one[0] == self._near), candidates[0])
            await self._relay.open(address, address[0])
        return self._relay.rewrite(sdp)

    async def drill(self, drill: Drill) -> None:
        """Let something go wrong; raises DrillImpossible."""
        if drill.name in FAULTS:
            if self._simulator is None:
                raise DrillImpossible("Only a simulated model fails when it is told to: start with mode=simulator.")
            if not await self._simulator.inject(FAULTS[drill.name](drill.seconds)):
                raise DrillImpossible("The session has no connection to its model at the moment.")
            return
        if self._relay is None or not self._is_open:
            raise DrillImpossible("This session does not go through the relay: start it with network=clean.")
        if drill.name == "blackout":
            self._relay.black_out(drill.seconds)
        else:
            self._relay.change_address()

    async def close(self) -> None:
        """End both."""
        if self._relay is not None and self._is_open:
            self._relay.close()
        if self._simulator is not None:
            await self._simulator.stop()


async def open_rig(plan: Plan, settings: Settings, near: str) -> Rig:
    """A rig for one session; `near` is the gateway's address as the caller reached it. Raises BadRequest."""
    if plan.network is not None and settings.udp_advertised:
        raise BadRequest("A test network works on the gateway's own addresses, not with GATEWAY_UDP_ADVERTISED.")
    relay = Relay(plan.network.up, plan.network.down, plan.seed) if plan.network is not None else None
    if plan.mode == "live":
        return Rig(None, None, relay, near)
    script = read_script(settings.simulator_script) if settings.simulator_script is not None else Script()
    if plan.mode != "simulator":  # what measures the way is to fail by its own fault alone
        script = Script(echo_drift_ppm=script.echo_drift_ppm)
    simulator = Simulator(script=script, remember=False, answer=ANSWERS[plan.mode])
    await simulator.start()
    simulated = {"upstream": "simulator", "upstream_url": simulator.url, "model": SIMULATED_MODEL}
    upstream = upstream_from(settings.model_copy(update=simulated), None)
    return Rig(simulator, upstream, relay, near)


async def wait(seconds: float) -> str:
    """Does nothing for so many seconds; for tests of slow functions."""
    await asyncio.sleep(seconds)
    return f"waited {seconds:g} s"
