"""Sessions for tests: an echo, a tone or the simulator instead of the model, a bad network, and faults on demand."""
