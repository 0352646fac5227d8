import re
from importlib import metadata, resources
from pathlib import Path

import pytest

import cloze
from cloze._library import library

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_librarys():
    assert cloze.__version__ == library.cloze_version().decode() == metadata.version("cloze-bert")


def test_the_library_is_inside():
    files = [str(file) for file in metadata.files("cloze-bert")]
    assert "cloze/libcloze.so" in files and any("openblas" in file for file in files)
    assert any("licenses/" in file and "openblas" in file for file in files)
    assert resources.files("cloze").joinpath("py.typed").is_file()


def blocks(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", ["docs/library.md", "python/README.md"])
def test_the_examples_of_the_documentation_run(page, texts, monkeypatch):
    found = blocks(ROOT / page)
    assert found
    monkeypatch.chdir(texts)
    names = {}
    for number, block in enumerate(found):
        exec(compile(block, f"{page}, example {number + 1}", "exec"), names)
