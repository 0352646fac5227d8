#!/usr/bin/env bash
# Question: does torch.set_flush_denormal(True) make PyTorch treat denormal numbers as zero on a CPU?
# Versions: torch 2.13.0 (x86-64).
# Expected: it returns True, "configured", so from then on every denormal result is 0.
# Found: it sets a bit in a register that each thread has of its own. Only the calling thread's is set; a thread that is
#   started later inherits it, the OpenMP threads that already wait for work do not. After any parallel operation the call
#   therefore acts on the first part of a tensor: of 1,048,576 equal denormals times one, with two threads, the first half
#   becomes 0 and the second half stays. Called before the first parallel operation, it acts on all of them, and calling
#   it with False later leaves it on in the second half.
# Why it matters: the switch is recommended against the slowdown by denormals on CPUs, such as those in Adam's moments of
#   embedding rows that are no longer met. Called where the model is already there, it helps one thread of N, and a value
#   then depends on its place in the tensor and on the number of threads, in a run that is otherwise reproducible.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -eu

[ "$(uname -m)" = x86_64 ] || { echo "needs x86-64"; exit 2; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv" || exit 2
"$directory/venv/bin/pip" install -qq --no-compile torch==2.13.0 || { echo "torch 2.13.0 could not be installed"; exit 2; }

cat >"$directory/late.py" <<'PYTHON'
import torch

torch.set_num_threads(2)
tiny = torch.full((1 << 20,), 1e-40)
print("before:", int((tiny * 1.0).view(torch.int32).count_nonzero()), "of", tiny.numel(), "products are not 0")
assert torch.set_flush_denormal(True)
left = (tiny * 1.0).view(torch.int32).nonzero().flatten()
print("switched on after a parallel operation:", left.numel(), "are not 0, the first at", left[0].item() if len(left) else "-")
torch.set_num_threads(1)
print("the same with one thread:", int((tiny * 1.0).view(torch.int32).count_nonzero()), "are not 0")
PYTHON
cat >"$directory/early.py" <<'PYTHON'
import torch

torch.set_num_threads(2)
assert torch.set_flush_denormal(True)
bits = torch.full((1 << 20,), 71362, dtype=torch.int32)  # 1e-40
tiny = bits.view(torch.float32)
print("switched on before:", int((tiny * 1.0).view(torch.int32).count_nonzero()), "are not 0")
assert torch.set_flush_denormal(False)
left = (tiny * 1.0).view(torch.int32).nonzero().flatten()
print("then switched off:", left.numel(), "are not 0, the first at", left[0].item() if len(left) else "-")
PYTHON
{
  "$directory/venv/bin/python" -W ignore "$directory/late.py"
  "$directory/venv/bin/python" -W ignore "$directory/early.py"
} | tee "$directory/seen"
cat >"$directory/expected" <<'TEXT'
before: 1048576 of 1048576 products are not 0
switched on after a parallel operation: 524288 are not 0, the first at 524288
the same with one thread: 0 are not 0
switched on before: 0 are not 0
then switched off: 524288 are not 0, the first at 0
TEXT
diff "$directory/expected" "$directory/seen" && echo "as described" && exit 0
echo "CHANGED: the switch no longer acts on the calling thread alone"
exit 1
