"""docs/exactness.md: the page of what the tests here measured."""

import datetime
import importlib
import pathlib
import platform
import string

PACKAGES = ["torch", "transformers", "tokenizers", "safetensors", "numpy"]
TEMPLATE = pathlib.Path(__file__).with_name("exactness.md")


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def text_of(value):
    if isinstance(value, float):
        return f"{value:.1e}" if abs(value) < 0.01 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else value


class Row:
    """What was measured in one test or in several cases of it."""

    def __init__(self, asked):
        self.asked, self.found = asked, []

    def text(self, what):
        cases = f" ({len(self.found)} cases)" if len(self.found) > 1 else ""
        return f"| {what}{cases} | {text_of(max(self.found))} | {self.asked} |"


class Measurements:
    """The rows of each section; a section is the name of a test module."""

    def __init__(self):
        self.sections = {}

    def add(self, section, what, found, asked):
        row = self.sections.setdefault(section, {}).setdefault(what, Row(asked))
        assert row.asked == asked, f"{what} is asked for twice: {row.asked}, {asked}"
        row.found.append(found)

    def missing(self):
        """Sections of the page that have no rows."""
        return [name for _, name, _, _ in string.Formatter().parse(TEMPLATE.read_text())
                if name and name.startswith("test_") and name not in self.sections]

    def write(self, path, passed):
        tables = {section: "\n".join(["| what | measured | asked |", "| --- | --- | --- |"]
                                     + [row.text(what) for what, row in rows.items()])
                  for section, rows in self.sections.items()}
        versions = ", ".join(f"{name} {importlib.import_module(name).__version__}" for name in PACKAGES)
        path.write_text(TEMPLATE.read_text().format(
            date=datetime.date.today().isoformat(), passed=passed, versions=versions, processor=processor(),
            system=f"{platform.system()} {platform.machine()}", **tables))
