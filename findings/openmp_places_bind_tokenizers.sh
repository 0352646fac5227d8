#!/usr/bin/env bash
# Question: OMP_PLACES=cores, or OMP_PROC_BIND=close, is set as guides for training on CPUs recommend. Does it concern anything
#   but the threads that PyTorch computes with?
# Versions: torch 2.13.0 (with its own libgomp), tokenizers 0.23.3; Linux.
# Expected: no. The variables are OpenMP's, and set the places of OpenMP's threads in parallel regions.
# Found: the import of torch loads the library libgomp, which at once binds the importing thread to the first place, before
#   there is any parallel region. All that this thread starts later inherits one core: Python threads, child processes,
#   so the workers of a DataLoader too, and the thread pool of tokenizers, which counts the cores it may use and has one
#   thread for the rest of the process. torch.get_num_threads() still says all cores. A pool that tokenizers made before the
#   import keeps all cores.
# Why it matters: such a job tokenizes its corpus on one core of 64, and all of its loading workers share that core with the
#   first of the computing threads, while each tool's own setting for threads looks right.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried (also on a single core).
set -eu

[ "$(env -u OMP_NUM_THREADS nproc)" -gt 1 ] || { echo "needs two cores"; exit 2; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv" || exit 2
"$directory/venv/bin/pip" install -qq --no-compile torch==2.13.0 tokenizers==0.23.3 ||
  { echo "the packages could not be installed"; exit 2; }

cat >"$directory/try.py" <<'PYTHON'
import os
import subprocess
import sys
import threading
from tokenizers import Tokenizer, models

tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))


def pool():
    """How many threads tokenizers starts for a batch; 0 when it has them already."""
    before = len(os.listdir("/proc/self/task"))
    tokenizer.encode_batch(["a"] * 1000)
    return len(os.listdir("/proc/self/task")) - before


every = len(os.sched_getaffinity(0))
early = pool() if sys.argv[1] == "early" else None
import torch

own = len(os.sched_getaffinity(0))
seen = []
thread = threading.Thread(target=lambda: seen.append(len(os.sched_getaffinity(0))))
thread.start()
thread.join()
child = int(subprocess.run([sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"],
                           capture_output=True, text=True, check=True).stdout)
print(f"cores before the import {every}, after it {own}, in a thread {seen[0]}, in a child {child};",
      f"threads of tokenizers {pool() if early is None else early}; torch counts {torch.get_num_threads()}", end="; ")
print("bound" if own == seen[0] == child < every else "free" if own == seen[0] == child == every else "neither")
PYTHON
run() { # WHEN [VARIABLE=VALUE]
  local when=$1
  shift
  env -u OMP_PLACES -u OMP_PROC_BIND -u OMP_NUM_THREADS -u GOMP_CPU_AFFINITY -u TOKENIZERS_PARALLELISM -u RAYON_NUM_THREADS \
    "$@" "$directory/venv/bin/python" -W ignore "$directory/try.py" "$when"
}
for setting in NONE=1 OMP_PROC_BIND=false OMP_PLACES=cores OMP_PROC_BIND=close OMP_PROC_BIND=true; do
  echo "$setting: $(run late "$setting")"
done | tee "$directory/seen"
echo "OMP_PLACES=cores, tokenizers used before the import: $(run early OMP_PLACES=cores)" | tee "$directory/early"

python3 - "$directory" <<'PYTHON' || { echo "CHANGED: the import of torch binds otherwise"; exit 1; }
import re
import sys

lines = open(sys.argv[1] + "/seen").read().splitlines()
assert [line.rsplit("; ", 1)[1] for line in lines] == ["free", "free", "bound", "bound", "bound"]
for line in lines + [open(sys.argv[1] + "/early").read()]:
    before, after, _, _, pool, counted = map(int, re.findall(r" (\d+)", line.partition(": ")[2]))
    assert pool == (before if "used before" in line else after), line
    assert counted > after or after == before, line
PYTHON
echo "as described"
