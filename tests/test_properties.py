"""Property tests find what is wrong with the code, not with the machine."""

from hypothesis import HealthCheck, settings


def test_a_machine_under_load_fails_no_property() -> None:
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
