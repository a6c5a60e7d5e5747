"""How many calls a machine holds, and what one costs: `make bench-capacity`."""
