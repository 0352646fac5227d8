"""Where the program and the shared data are (what is missing is skipped, and said), and where measurements go."""

import os
import pathlib

import pytest

import exactness

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption("--exactness", metavar="PAGE", type=pathlib.Path,
                     help="write what the tests measured to this page; every one must run and pass")


def pytest_configure(config):
    config.measurements = exactness.Measurements()


def pytest_sessionfinish(session, exitstatus):
    page = session.config.getoption("--exactness")
    if not page:
        return
    counts = session.config.pluginmanager.get_plugin("terminalreporter").stats
    if exitstatus != 0 or set(counts) & {"skipped", "deselected"} or session.config.measurements.missing():
        raise pytest.exit.Exception(f"{page} is not written: not every test has run and passed", returncode=1)
    session.config.measurements.write(page, len(counts["passed"]))


@pytest.fixture
def measured(request):
    """measured(what, found, asked) makes a row of docs/exactness.md, in the section of the test's module; of several
    numbers for the same row the largest counts."""
    section = request.module.__name__

    def add(what, found, asked):
        print(f"{what}: {found} ({asked})")
        request.config.measurements.add(section, what, found, asked)

    return add


def absent(message):
    """Skips, or fails where INTEROP_REQUIRED says that nothing may be missing."""
    pytest.fail(message) if os.environ.get("INTEROP_REQUIRED", "0") != "0" else pytest.skip(message)


@pytest.fixture(scope="session")
def cloze():
    """The path of the program: $CLOZE, or build/cloze of this tree."""
    path = pathlib.Path(os.environ.get("CLOZE", ROOT / "build" / "cloze"))
    if not path.is_file():
        absent(f"{path} is not built; set CLOZE to the program")
    return path


@pytest.fixture(scope="session")
def shared():
    """The directory of the shared test data: $CLOZE_SHARED, or ../shared/data."""
    path = pathlib.Path(os.environ.get("CLOZE_SHARED", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        absent(f"{path} is absent; set CLOZE_SHARED to the shared test data")
    return path
