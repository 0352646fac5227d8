"""tests/golden is what make_golden.py makes with the pinned packages."""

import json
import pathlib

import numpy as np
from safetensors.numpy import load_file

import make_golden


def same(found, expected):
    """Equal, numbers but for rounding."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return abs(found - expected) <= 1e-5 * max(1, abs(expected))
    return found == expected


def files_of(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_the_golden_files_are_what_the_script_makes(cloze, tmp_path):
    make_golden.make(tmp_path, cloze)
    assert files_of(tmp_path) | {pathlib.Path("characters.json")} == files_of(make_golden.FOLDER)
    for name in files_of(tmp_path):
        new, kept = tmp_path / name, make_golden.FOLDER / name
        if name.suffix == ".json":
            assert same(*(json.loads(path.read_text("utf-8")) for path in (kept, new))), name
        elif name.suffix == ".safetensors":
            tensors, expected = load_file(kept), load_file(new)
            assert tensors.keys() == expected.keys(), name
            for tensor in expected:
                np.testing.assert_allclose(tensors[tensor], expected[tensor], rtol=1e-4, atol=1e-6, err_msg=f"{name} {tensor}")
        else:
            assert kept.read_bytes() == new.read_bytes(), name
    size = sum((make_golden.FOLDER / name).stat().st_size for name in files_of(make_golden.FOLDER))
    assert size < 300_000
