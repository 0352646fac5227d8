"""docs/your-own-task.md does what it says: its files are written, its commands run, and what they print is compared with
the page, where any number may differ. `python tests/interop/test_your_own_task.py CLOZE` writes the output of
that program into the page."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "your-own-task.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(command, directory, cloze):
    """What a terminal shows of the command, which must succeed."""
    path = os.pathsep.join([str(pathlib.Path(cloze).parent), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(["bash", "-c", command], cwd=directory, timeout=600, text=True,
                          env={**os.environ, "PATH": path, "OMP_WAIT_POLICY": "passive"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def session(text, directory, cloze):
    """The text of a console block with what its commands print now."""
    commands = re.findall(r"^\$ ((?:.*\\\n)*.*)\n", text, re.MULTILINE)
    assert commands, text
    return "".join(f"$ {command}\n{run(command, directory, cloze)}" for command in commands)


def replay(page, directory, cloze):
    """The page with what its commands print now."""
    def block(match):
        language, name, text = match.groups()
        if name:
            (pathlib.Path(directory) / name).write_text(text)
        if language != "console":
            return match.group()
        return f"```console\n{session(text, directory, cloze)}```"
    return BLOCK.sub(block, page)


def without_numbers(text):
    """Numbers, durations and the width of their columns differ between machines."""
    text = re.sub(r"\d[\d,.]*(e[-+]\d+)?", "#", text).replace("-#", "#")
    return re.sub(r" +", " ", re.sub(r"#m #s", "#s", text))


def test_the_page_does_what_it_says(cloze, tmp_path):
    page = PAGE.read_text()
    assert without_numbers(replay(page, tmp_path, cloze)).splitlines() == without_numbers(page).splitlines()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        PAGE.write_text(replay(PAGE.read_text(), scratch, pathlib.Path(sys.argv[1]).resolve()))
