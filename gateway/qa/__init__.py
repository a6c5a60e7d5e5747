"""`gateway qa`: the loopback page without a person, in a Chromium of this machine."""

# How long a run may take, by its length: a run that hangs is a failure too, and continuous integration waits for it.
TIMEOUTS_S = {"short": 600.0, "usual": 1200.0, "long": 3600.0}
