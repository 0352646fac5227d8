"""Where the program and the shared data are (what is missing is skipped, and said), and where measurements go."""

import os
import pathlib

import pytest

import exactness

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption("--exactness", metavar="PAGE", help="write what the tests measured to this page")


def pytest_configure(config):
    config.measurements = exactness.Measurements()


def pytest_sessionfinish(session, exitstatus):
    page = session.config.getoption("--exactness")
    if page and exitstatus == 0:
        session.config.measurements.write(pathlib.Path(page))


@pytest.fixture
def measured(request):
    """measured(what, found, asked) makes a row of docs/exactness.md, in the section of the test's module."""
    section = request.module.__name__

    def add(what, found, asked):
        print(f"{what}: {found} ({asked})")
        request.config.measurements.add(section, what, found, asked)

    return add


@pytest.fixture(scope="session")
def cloze():
    """The path of the program: $CLOZE, or build/cloze of this tree."""
    path = pathlib.Path(os.environ.get("CLOZE", ROOT / "build" / "cloze"))
    if not path.is_file():
        pytest.skip(f"{path} is not built; set CLOZE to the program")
    return path


@pytest.fixture(scope="session")
def shared():
    """The directory of the shared test data: $CLOZE_SHARED, or ../shared/data."""
    path = pathlib.Path(os.environ.get("CLOZE_SHARED", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"{path} is absent; set CLOZE_SHARED to the shared test data")
    return path
