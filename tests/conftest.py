"""What all tests share: goldens are written anew only when asked, and no property has a time limit."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow, not wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser):
    parser.addoption("--rewrite", action="store_true", help="write goldens anew instead of comparing them")


@pytest.fixture
def rewrite(request):
    return request.config.getoption("--rewrite")
