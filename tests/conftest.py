"""The one flag of these tests: goldens are compared, and written anew only when asked."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--rewrite", action="store_true", help="write goldens anew instead of comparing them")


@pytest.fixture
def rewrite(request):
    return request.config.getoption("--rewrite")
