#!/usr/bin/env bash
# Question: DataCollatorForLanguageModeling has a seed, so that masking can be repeated without seeding everything else. What
#   does it change in a run of several epochs whose batches are made by workers of a DataLoader?
# Versions: transformers 5.24.0, tokenizers 0.23.3, torch 2.13.0.
# Expected: the same masks in each run, and new ones in each epoch, as without a seed ("dynamic masking") and as with the seed and
#   no workers; for another seed other masks.
# Found: each worker seeds a generator with the seed plus its number at its first batch. A DataLoader starts its workers anew
#   for each epoch unless told otherwise (so does transformers' Trainer, whose dataloader_persistent_workers is False), so the
#   masks begin from the start: every epoch has exactly the masks of the first. With the order of the data unchanged, each
#   sequence has the same masked positions and the same random tokens for ever. And worker 1 of seed 42 is worker 0 of seed
#   43: with 4 workers, runs with these seeds share three quarters of their masks, with 8 seven eighths.
# Why it matters: whoever sets the seed for a reproducible pre-training gets a masking more static than that of the first BERT,
#   which had ten copies of its corpus with different masks: to the token where the order of the data stays, as with streamed or
#   pre-shuffled corpora, and else by the place in the batch. Whether it happens depends on the number of workers, which is
#   thought of as a matter of speed. Runs with consecutive seeds, made to learn the spread of a result, are not independent.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv" || exit 2
"$directory/venv/bin/pip" install -qq --no-compile torch==2.13.0 transformers==5.24.0 tokenizers==0.23.3 ||
  { echo "the packages could not be installed"; exit 2; }

cat >"$directory/try.py" <<'PYTHON'
import sys
from string import ascii_lowercase
import torch
from torch.utils.data import DataLoader
from transformers import BertTokenizer, DataCollatorForLanguageModeling

SEQUENCES, EPOCHS = 256, 3
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [a + b for a in ascii_lowercase for b in ascii_lowercase]
tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
draw = torch.Generator().manual_seed(1)
corpus = [{"input_ids": [2] + torch.randint(5, len(words), (62,), generator=draw).tolist() + [3]} for _ in range(SEQUENCES)]


def epochs(seed, workers, count=EPOCHS, **options):
    """For each epoch, what the model would see and be asked for, sequence by sequence."""
    collator = DataCollatorForLanguageModeling(tokenizer, seed=seed)
    loader = DataLoader(corpus, batch_size=8, num_workers=workers, collate_fn=collator, **options)
    return [[(tuple(inputs.tolist()), tuple(labels.tolist()))
             for batch in loader for inputs, labels in zip(batch["input_ids"], batch["labels"])] for _ in range(count)]


def positions(epoch):
    return {tuple(label != -100 for label in labels) for _, labels in epoch}


seen = []
for seed, workers, options in ((None, 0, {}), (None, 2, {}), (42, 0, {}), (42, 2, {}), (42, 2, {"persistent_workers": True})):
    torch.manual_seed(0)
    first, *later = epochs(seed, workers, **options)
    same = [sum(a == b for a, b in zip(first, epoch)) for epoch in later]
    note = ", kept between the epochs" if options else ""
    print(f"seed {seed}, {workers} workers{note}: sequences masked as in the first epoch: "
          + ", ".join(f"{number} of {SEQUENCES} in epoch {epoch}" for epoch, number in enumerate(same, 2)))
    seen.append(same)
shared = []
for workers in (0, 2, 4, 8):
    one, other = (positions(epochs(seed, workers, 1)[0]) for seed in (42, 43))
    shared.append(len(one & other) / len(other))
    print(f"{workers} workers: seeds 42 and 43 share {100 * shared[-1]:.1f} percent of their patterns of masked positions")

none = [0] * (EPOCHS - 1)
as_found = (seen == [none, none, none, [SEQUENCES] * (EPOCHS - 1), none]
            and shared[0] < 0.01 and all(abs(shared[at] - part) < 0.01 for at, part in ((1, 1 / 2), (2, 3 / 4), (3, 7 / 8))))
print("as described" if as_found else "CHANGED: the workers seed their masks otherwise")
sys.exit(0 if as_found else 1)
PYTHON
OMP_NUM_THREADS=1 "$directory/venv/bin/python" -W ignore "$directory/try.py"
