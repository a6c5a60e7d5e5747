"""Our side of STUN and TURN servers: what one sees of us, and whether one relays to the gateway and to nobody else."""
