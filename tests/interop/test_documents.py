"""README.md and the pages of docs/ do what they say: documents.py runs their commands and compares what they print, where any
number may differ. `python tests/interop/test_documents.py CLOZE PAGE...` writes into the pages what that program prints."""

import os
import pathlib
import re
import shutil
import string
import subprocess
import sys
import tempfile

import pytest


from conftest import absent
from documents import ROOT, Session, Wrong, blocks, check_page, rewrite

PAGES = sorted(str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"),
                                                       ROOT / "findings/README.md", ROOT / "python/README.md"])

# Programs outside of the tests' packages.
NEEDS = {"README.md": ("bible", "bible-kjv"), "docs/scaling.md": ("bible", "bible-kjv")}

# Their programs in Python run where the package is installed, in python/tests/test_package.py.
PACKAGE_PAGES = ("docs/library.md", "python/README.md")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_does_what_it_says(name, cloze, tmp_path):
    program, package = NEEDS.get(name, ("bash", "bash"))
    if not shutil.which(program):
        absent(f"Debian's package {package} is missing")
    text = (ROOT / name).read_text()
    if name in PACKAGE_PAGES:
        assert f'"{name}"' in (ROOT / "python/tests/test_package.py").read_text()
        text = re.sub(r"^```python$", "```py", text, flags=re.MULTILINE)
    check_page(text, Session(tmp_path, cloze))


def test_the_page_of_the_benchmark_keeps_its_text(cloze, tmp_path):
    """`scripts/bench page`, also where there is no corpus."""
    for folder in ("scripts", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / "clone" / folder)
    (tmp_path / "clone/build").mkdir()
    (tmp_path / "clone/build/cloze").symlink_to(pathlib.Path(cloze).resolve())
    subprocess.run([sys.executable, "scripts/bench_report.py", "page"], cwd=tmp_path / "clone", check=True)
    written, kept = ((root / "docs/speed.md").read_text() for root in (tmp_path / "clone", ROOT))
    assert written.partition("<!-- section -->")[0] == kept.partition("<!-- section -->")[0]


def test_the_page_of_exactness_is_of_its_template():
    template = (ROOT / "tests/interop/exactness.md").read_text()
    pattern = "".join(re.escape(text) + (".*" if field else "") for text, field, _, _ in string.Formatter().parse(template))
    assert re.fullmatch(pattern, (ROOT / "docs/exactness.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("name", PAGES)
def test_packages_are_files_to_apt(name):
    for words in re.findall(r"apt-get install ([^`\n]*\.deb)", (ROOT / name).read_text()):
        assert all(word.startswith(("./", "/", "-")) for word in words.split()), words


def test_the_names_of_activations_are_where_design_says():
    place = re.search(r"The names are also in\s+`([^`]+)`", (ROOT / "docs/design.md").read_text())[1]
    assert "gelu_pytorch_tanh" in (ROOT / place).read_text()


def test_the_gain_of_a_second_core_is_that_of_every_machine():
    speed, text = ((ROOT / name).read_text() for name in ("docs/speed.md", "docs/scaling.md"))
    ratios = re.findall(r"^\| [a-z]+, \d+ x \d+, (?:fp32|bf16) \|(?: [^|]+\|){5} (\d\.\d\d) \|$", speed, re.MULTILINE)
    assert f"{min(map(float, ratios)):.1f}" in text


@pytest.fixture(scope="module")
def help_of(cloze):
    """help_of(command) is what `cloze COMMAND --help` prints, None if there is no such command."""
    def ask(command):
        done = subprocess.run([cloze, command, "--help"], capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    return ask


def without_blocks(name):
    return re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("name", PAGES)
def test_what_sentences_name_exists(name, help_of):
    """Commands with their options, files of this project, and keys of the configuration."""
    keys = (ROOT / "docs/configuration.md").read_text()
    for span in re.findall(r"`([^`\n]+)`", without_blocks(name)):
        words = span.replace("\\|", "|").split()
        if words[0] == "cloze" and len(words) > 1 and words[1].isalpha() and words[1].islower():
            said = help_of(words[1])
            assert said, span
            for option in re.findall(r"--[a-z-]+", span):
                assert f"{option} " in said, span
        elif re.fullmatch(r"(scripts|src|tests|docs|cmake|configs|examples|include|python)/[a-z0-9_./-]+", words[0]):
            assert (ROOT / words[0]).exists(), span
        elif re.fullmatch(r"(model|tokenizer|data|task|train)\.(?!json|safetensors)[a-z_]+", words[0]):
            section, key = words[0].split(".")
            assert re.search(rf"^## {section}$(?:(?!^#).*\n)*^\| `{key}` \|", keys, re.MULTILINE), span


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    for target, place in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]+)?\)", without_blocks(name)):
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), target
        if place:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert place[1:] in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], place


# What a page may not do.

SESSION = "```console\n$ cat file\none\n```\n"


@pytest.mark.parametrize("page, message", [
    ("```sh\ntrue\nfalse\n```\n", "ends with status 1"),
    ("```text file\ntwo\n```\n" + SESSION, "prints\ntwo\n\nand the page says\none\n"),
    (SESSION, "No such file"),
    ("```\n$ true\n```\n", "neither console nor sh"),
    ("```bash\ntrue\n```\n", "neither console nor sh"),
    ("```console\nfirst\n$ true\n```\n", "without a command at its beginning"),
    ("<!-- not run: `false` -->\n```sh\nfalse\n```\n", "is not one of the marks"),
    ("<!-- not run: `true` (no network) -->\n```sh\nfalse\n```\n", "marked, but not in the block: true"),
    ("<!-- run by scripts/setup: `false` -->\n```sh\nfalse\n```\n", "scripts/setup does not run it"),
    ("<!-- run as `false`: `true` (less) -->\n```sh\ntrue\n```\n", "ends with status 1"),
    ("<!-- not compared: `true` -->\n```sh\ntrue\n```\n", "is not one of the marks"),
    ("```yaml\noutput: runs/a\n```\n", "is a configuration without a name"),
    ("```yaml a.yaml\noutput: runs/a\ndata: {trian: [a.txt]}\n```\n", "did you mean data.train"),
    ("```python\nraise SystemExit(3)\n```\n", "ends with status 3"),
])
def test_a_page_that_does_not_what_it_says_fails(page, message, cloze, tmp_path):
    with pytest.raises(Wrong) as wrong:
        check_page(page, Session(tmp_path, cloze))
    assert message in str(wrong.value)


def test_what_is_required_is_not_skipped(tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", ROOT / "tests/interop/test_tensorboard.py"]
    environment = {**os.environ, "INTEROP_REQUIRED": "1", "CLOZE": str(tmp_path / "absent")}
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 1


@pytest.mark.parametrize("page", [
    "```text file\none\n```\n" + SESSION,
    "<!-- run before: `echo 1,200 >file` (the reader's) -->\n```console\n$ cat file\n7\n```\n",
    "<!-- not run: `false` (no network) -->\n```sh\nfalse      # what it does\n```\n",
    "<!-- run by scripts/setup: `apt-get update` -->\n"
    "<!-- run as `true`: `false` (less) -->\n```sh\napt-get update\nfalse\n```\n",
    "<!-- not compared: `echo two` (another model) -->\n```console\n$ echo two\none\n```\n",
    "```console\n$ printf '1\\n2 a\\n3 b\\n4\\n'\n5\n[two lines are left out here]\n5\n```\n",
    "```console\n$ echo 1.20 TiB are free\n64.3 GiB are free\n```\n",
    "```console\n$ test \"$OMP_NUM_THREADS\" -le 2\n```\n",
    "```console\n$ echo done: step 60 after 1h 3m 54s\ndone: step 8 after 3s\n```\n",
    "```sh\n# a comment\ntest 1 = \\\n  1\n```\n",
    "1. in a list:\n\n   ```python\n   assert True\n   ```\n",
])
def test_a_page_that_does_what_it_says_passes(page, cloze, tmp_path):
    check_page(page, Session(tmp_path, cloze))


def test_a_page_gets_what_its_commands_print(cloze, tmp_path):
    page = "text\n\n```text file\ntwo\n```\n\n" + SESSION + "\nmore\n"
    assert rewrite(page, Session(tmp_path, cloze)) == page.replace("one", "two")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(name)
            path.write_text(rewrite(path.read_text(), Session(scratch, pathlib.Path(sys.argv[1]).resolve())))
