"""docs/exactness.md: the page of what the tests here measured."""

import importlib
import pathlib
import platform

PACKAGES = ["torch", "transformers", "tokenizers", "safetensors", "numpy"]


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


class Measurements:
    def __init__(self):
        self.rows = {}

    def add(self, section, what, found, asked):
        """One row; rows that are the same word for word become one."""
        self.rows.setdefault(section, {})[what, found, asked] = None

    def write(self, path):
        template = pathlib.Path(__file__).with_name("exactness.md").read_text()
        versions = ", ".join(f"{name} {importlib.import_module(name).__version__}" for name in PACKAGES)
        tables = {section: table(rows) for section, rows in self.rows.items()}
        path.write_text(template.format(versions=versions, processor=processor(), **tables))


def table(rows):
    return "\n".join(["| what | measured | asked |", "| --- | --- | --- |"]
                     + [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows])
