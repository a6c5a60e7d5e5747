"""`gateway qa`: the loopback page without a person, in a Chromium of this machine."""
