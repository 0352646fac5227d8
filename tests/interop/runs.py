"""Small runs of cloze to look at: a text of random words, a model of one layer."""

import json
import random
import subprocess

WORDS = ("the king queen river mountain went saw and over under green golden silent house of to stone light evening "
         "morning").split()
MODEL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
DATA = {"train": ["text.txt"], "sentences": "line", "seq_len": 32, "valid_fraction": 0.2}


def write_text(path, documents):
    """Documents of eight sentences, a sentence on each line."""
    generator = random.Random(1)
    sentences = [" ".join(generator.choices(WORDS, k=generator.randint(5, 11))) + "." for _ in range(8 * documents)]
    path.write_text("\n\n".join("\n".join(sentences[i:i + 8]) for i in range(0, len(sentences), 8)) + "\n")


def make_run(cloze, folder, name, *options, **sections):
    """Trains a run in folder/name; returns its directory."""
    path = folder / f"{name}.yaml"
    command = "finetune" if "task" in sections else "train"
    path.write_text(json.dumps({"output": name, **sections}))
    done = subprocess.run([cloze, command, path, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / name
