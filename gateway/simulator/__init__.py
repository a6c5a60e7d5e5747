"""A stand-in for the Gemini Live API, for a first run without an account, for tests and for other clients.

    simulator = Simulator()
    await simulator.start()
    simulator.url                    # ws://127.0.0.1:…
    simulator.connections[0].audio   # what was heard

It is the other side of the wire and imports nothing of the gateway's legs.
"""

from gateway.simulator.faults import Fault, Script
from gateway.simulator.memory import Heard
from gateway.simulator.server import Answer, Simulator, SimulatorOptions, run_simulator

__all__ = ["Answer", "Fault", "Heard", "Script", "Simulator", "SimulatorOptions", "run_simulator"]
