#!/usr/bin/env bash
# Question: an embedding of bf16 is looked up for many tokens. Is the gradient of a row, a sum over all tokens that used it,
#   as exact as other sums of bf16, which PyTorch adds up in fp32?
# Versions: torch 2.13.0.
# Expected: three ways to write one lookup (torch.nn.functional.embedding, table[ids], table.index_select(0, ids)) have
#   the same gradient, off by a rounding to bf16, some tenths of a percent.
# Found: the backward passes of the first two, and of embedding_bag, add each token's gradient to the row in bf16, so the
#   sum of N ones is min(N, 256). The third adds up in fp32 and is right. So are scatter_add, where index_add and
#   index_put(accumulate=True) stop at 256, and the gradient of a bias. fp16 stops at 2,048. With 4,096 tokens of two
#   segments and gradients of both signs with a small mean, the first two are off by more than a tenth.
# Why it matters: BERT's token type embedding has two rows, so each sums half of all the tokens of a batch; the rows of
#   [MASK], [PAD] and the full stop are not far from it. In a BERT that is trained in bf16 throughout (dtype=bfloat16, with
#   any optimizer) just these rows learn from inexact gradients, and whether they do depends on how the model's author
#   spelled the lookup. Where the tokens' gradients cancel, as in an untrained BERT, some percent are lost (4 in a random
#   one of two layers, 32 sequences of 128 tokens); where they share a direction, as in the first case here, most.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -eu

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv" || exit 2
"$directory/venv/bin/pip" install -qq --no-compile torch==2.13.0 || { echo "torch 2.13.0 could not be installed"; exit 2; }

cat >"$directory/try.py" <<'PYTHON'
import sys
import torch
from torch.nn.functional import embedding, embedding_bag

LOOKUPS = {
    "embedding": lambda table, ids: embedding(ids, table),
    "table[ids]": lambda table, ids: table[ids],
    "embedding_bag": lambda table, ids: embedding_bag(ids[:, None], table, mode="sum"),
    "index_select": lambda table, ids: table.index_select(0, ids),
}
print(f"torch {torch.__version__}")


def gradient(lookup, upstream, ids, rows):
    table = torch.zeros(rows, upstream.shape[1], dtype=upstream.dtype, requires_grad=True)
    LOOKUPS[lookup](table, ids).backward(upstream)
    return table.grad.double()


counted = {}
for dtype in (torch.bfloat16, torch.float16, torch.float32):
    ones = torch.ones(4096, 8, dtype=dtype)
    counted[dtype] = {name: gradient(name, ones, torch.zeros(4096, dtype=torch.long), 1)[0, 0].item() for name in LOOKUPS}
    print(f"{dtype}: 4096 tokens, each with the gradient 1:", counted[dtype])

torch.manual_seed(0)
tokens, width = 4096, 64
upstream = (torch.randn(tokens, width) + 0.2 * torch.randn(width)).bfloat16()
segment = (torch.arange(tokens) % 128 >= 64).long()
exact = torch.zeros(2, width, dtype=torch.double).index_add_(0, segment, upstream.double())
error = {name: ((gradient(name, upstream, segment, 2) - exact).norm() / exact.norm()).item() for name in LOOKUPS}
print("bf16, two segments, gradients of both signs, distance from the exact sum:",
      {name: f"{100 * value:.1f} %" for name, value in error.items()})

ones, row = torch.ones(4096, dtype=torch.bfloat16), torch.zeros(4096, dtype=torch.long)
sums = {"index_add": torch.zeros(1, dtype=torch.bfloat16).index_add(0, row, ones).item(),
        "index_put": torch.zeros(1, dtype=torch.bfloat16).index_put((row,), ones, accumulate=True).item(),
        "scatter_add": torch.zeros(1, dtype=torch.bfloat16).scatter_add(0, row, ones).item(),
        "sum": ones.sum().item()}
print("bf16, the sum of 4096 ones:", sums)

naive = ("embedding", "table[ids]", "embedding_bag")
as_found = (all(counted[torch.bfloat16][name] == 256 and counted[torch.float16][name] == 2048 for name in naive)
            and all(counts["index_select"] == 4096 for counts in counted.values())
            and set(counted[torch.float32].values()) == {4096}
            and error["embedding"] > 0.1 and error["table[ids]"] > 0.1 and error["index_select"] < 0.01
            and sums == {"index_add": 256, "index_put": 256, "scatter_add": 4096, "sum": 4096})
print("as described" if as_found else "CHANGED: the sums of bf16 gradients behave otherwise")
sys.exit(0 if as_found else 1)
PYTHON
"$directory/venv/bin/python" -W ignore "$directory/try.py"
