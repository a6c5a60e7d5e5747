"""What all tests share: property tests judge behaviour, never the speed of a machine."""

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
