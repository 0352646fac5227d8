"""Where the program and the shared data are. What is missing is skipped, and said."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


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
