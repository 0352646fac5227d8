"""The commands of a page of the documentation, run as a reader would run them.

A fenced block with a name after its language (```yaml run.yaml) is a file. In a block of the language `console` a line that
begins with "$ " is a command and the lines after it are what a terminal shows; a line "[... left out here]" among them stands
for any lines. In a block of the language `sh` each line is a command. A block `python` without a name is a program.
All run in order, in one directory, which also has the folders TREE of this project, and all must succeed. $BUILD is where the
program was built; what is installed into the folder `installed` is found by compilers and programs.

What cannot be run as it stands is marked, each by a comment of its own directly before its block:

    <!-- not run: `COMMAND` (why) -->
    <!-- run by FILE: `COMMAND` -->            FILE of this project runs that very command
    <!-- run as `OTHER`: `COMMAND` (why) -->   for instance with fewer steps
    <!-- not compared: `COMMAND` (why) -->     it is run, but prints something else, for instance after fewer steps
    <!-- run before: `OTHER` (why) -->         what a reader has at this point

COMMAND is the command without its comment, in one line; `python` is the program of the next block."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ("configs", "examples", "scripts")

# Marks, then a fence with its language and perhaps a name, its text, and the fence that closes it.
BLOCK = re.compile(r"((?:^[ ]*<!--.*?-->\n+)*)^([ ]*)```(\w*)(?: (\S+))?\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (?:not run: `(?P<none>[^`]+)` \(.+\)|run by (?P<file>\S+): `(?P<there>[^`]+)`|"
                  r"run as `(?P<other>[^`]+)`: `(?P<instead>[^`]+)` \(.+\)|run before: `(?P<first>[^`]+)` \(.+\)|"
                  r"not compared: `(?P<loose>[^`]+)` \(.+\)) -->")
LEFT_OUT = re.compile(r"\[.*left out here\]")


class Wrong(Exception):
    """What is wrong with a page."""


def runs(script, command):
    """Whether a script has the command, outside of comments."""
    text = re.sub(r"^\s*#.*$", "", script.read_text(), flags=re.MULTILINE) if script.is_file() else ""
    return re.search(rf"(?<![\w/.-]){re.escape(command)}(?![\w/-])", text) is not None


class Block:
    def __init__(self, match):
        marks, self.indent, self.language, self.name, self.text = match.groups()
        self.start = match.start(5)
        if self.indent:
            self.text = re.sub(f"^{self.indent}", "", self.text, flags=re.MULTILINE)
        self.before, self.replaced, self.loose = [], {}, set()
        for comment in re.findall(r"<!--.*?-->", marks, re.DOTALL):
            self.read_mark(re.sub(r"\s*\n\s*", " ", comment))

    def read_mark(self, comment):
        mark = MARK.fullmatch(comment)
        if not mark:
            if re.match(r"<!-- (not|run) ", comment):
                raise Wrong(f"{comment}\nis not one of the marks that tests/interop/documents.py explains")
        elif mark["first"]:
            self.before.append(mark["first"])
        elif mark["loose"]:
            self.loose.add(mark["loose"])
        elif mark["file"]:
            if not runs(ROOT / mark["file"], mark["there"]):
                raise Wrong(f"{comment}\n{mark['file']} does not run it")
            self.replaced[mark["there"]] = None
        else:
            self.replaced[mark["none"] or mark["instead"]] = mark["other"]

    def commands(self):
        """Pairs of a command and, in a console, what the page says that it prints."""
        if self.language == "console":
            found = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", self.text, re.MULTILINE)
            if not found or not self.text.startswith("$ "):
                raise Wrong(f"{self.text}\nis a console without a command at its beginning")
            return found
        if self.language == "sh":
            return [(line, None) for line in re.findall(r"^((?:.*\\\n)*.+)$", self.text, re.MULTILINE) if line[0] != "#"]
        if self.language in ("bash", "shell", "zsh") or re.search(r"^\$ ", self.text, re.MULTILINE):
            raise Wrong(f"{self.text}\nhas commands in a block that is neither console nor sh")
        return [("python", None)] if self.language == "python" and not self.name else []


def plain(command):
    """The command as marks have it: in one line, without its comment."""
    return re.sub(r"\s*\\\n\s*", " ", re.sub(r"\s{2,}#.*$", "", command))


def blocks(page):
    return [Block(match) for match in BLOCK.finditer(page)]


class Session:
    """A directory in which the commands of a page run."""

    def __init__(self, directory, cloze):
        self.directory = pathlib.Path(directory)
        for folder in TREE:
            shutil.copytree(ROOT / folder, self.directory / folder, dirs_exist_ok=True)
        path = [pathlib.Path(cloze).parent, pathlib.Path(sys.executable).parent, os.environ["PATH"]]
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join(map(str, path)),
            "BUILD": str(pathlib.Path(cloze).parent),
            "OMP_WAIT_POLICY": "passive",  # other tests may run
            "OMP_NUM_THREADS": str(min(2, len(os.sched_getaffinity(0)))),  # with more a run warns that its batch is small
            # Where a page installs the library.
            "PKG_CONFIG_PATH": str(self.directory / "installed/lib/pkgconfig"),
            "CMAKE_PREFIX_PATH": str(self.directory / "installed"),
            "LD_LIBRARY_PATH": str(self.directory / "installed/lib"),
            "PYTHONPATH": str(ROOT / "python/src"),
        }

    def run(self, command):
        """What a terminal shows of the command, which must succeed."""
        return self.execute(["bash", "-c", command], command)

    def run_program(self, text):
        return self.execute([sys.executable, "-c", text], text)

    def execute(self, arguments, shown):
        done = subprocess.run(arguments, cwd=self.directory, timeout=600, text=True, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise Wrong(f"$ {shown}\n{done.stdout}\nends with status {done.returncode}")
        return done.stdout

    def write(self, block):
        path = self.directory / block.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)


def run_block(block, session):
    """Runs a block; yields each command with what the page says that it prints and what it prints, None if it is not run."""
    stale = {*block.replaced, *block.loose} - {plain(command) for command, _ in block.commands()}
    if stale:
        raise Wrong(f"marked, but not in the block: {', '.join(sorted(stale))}\n{block.text}")
    for command in block.before:
        session.run(command)
    if block.name:
        session.write(block)
    if block.language == "yaml" and (block.name or "output:" in block.text):
        if not block.name:
            raise Wrong(f"{block.text}\nis a configuration without a name")
        session.run(f"cloze config {block.name}")
    for command, said in block.commands():
        other = block.replaced.get(plain(command), command)
        if other is None:
            yield command, said, None
        elif block.language == "python":
            yield command, said, session.run_program(block.text)
        else:
            yield command, said, session.run(other)


def without_numbers(text):
    """Numbers, durations, number formats and the width of their columns differ between machines, and so do scratch names."""
    text = re.sub(r"\b(fp32|bf16)\b", "format", text)
    text = re.sub(r"\b[KMGTP]iB\b", "MiB", text)  # a disk may have more space
    text = re.sub(r"\S+/cloze-dry-run-\w+", "scratch", text)
    text = re.sub(r"\d[\d,.]*(e[-+]\d+)?", "#", text).replace("-#", "#")
    text = re.sub(r"(#d )?(#h )?(#m )?#s", "#s", text)
    return re.sub(r" +", " ", text)


def same_form(said, printed):
    """Whether the output has the form that the page shows."""
    lines = [".*" if LEFT_OUT.fullmatch(line) else re.escape(line) + "\n" for line in without_numbers(said).splitlines()]
    return re.fullmatch("".join(lines), without_numbers(printed), re.DOTALL) is not None


def check_page(page, session):
    """Runs a page; raises Wrong if a command fails or prints something of another form."""
    for block in blocks(page):
        for command, said, printed in run_block(block, session):
            if plain(command) in block.loose or said is None or printed is None:
                continue
            if not same_form(said, printed):
                raise Wrong(f"$ {command}\nprints\n{printed}\nand the page says\n{said}")


def rewrite(page, session):
    """The page with what its commands print now, except where lines are left out or another command is run."""
    def renew(match):
        block = Block(match)
        ran = list(run_block(block, session))
        if block.language != "console":
            return match.group()
        kept = {*block.replaced, *block.loose}
        text = "".join(f"$ {command}\n" + (said if printed is None or plain(command) in kept or LEFT_OUT.search(said)
                                           else printed) for command, said, printed in ran)
        return match.group()[:block.start - match.start()] + text + "```"
    return BLOCK.sub(renew, page)
