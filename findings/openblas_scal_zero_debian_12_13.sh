#!/usr/bin/env bash
# Question: a C program clears a vector that may hold anything with cblas_sscal(n, 0, x, 1). Does it get zeros?
# Versions: libopenblas0-pthread 0.3.21+ds-4 (Debian 12) and 0.3.29+ds-3 (Debian 13), the Haswell kernels of both; both run
#   in the Python of Debian 13.
# Expected: the same on both, and the same as the other routines of BLAS, for which a factor of zero means "do not read".
# Found: with the older library NaN and infinity become 0, with the newer one they become or stay NaN. In the newer library
#   the routines disagree: sgemm, sgemv and saxpby with beta = 0 overwrite NaN, as does sgemm with alpha = 0 for a NaN in
#   its operands; sscal and dscal with a factor of 0 keep it. The interface has the same version, so one binary changes its
#   results when the system is upgraded.
# Why it matters: training code clears or decays gradients and moments with sscal, also right after malloc and after a step
#   that overflowed and is skipped (mixed precision does so on purpose). On Debian 12 the next step is clean; on Debian 13
#   one NaN stays in the buffer for ever, and memory that was never written can bring one in.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -eu

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || { echo "needs Debian on amd64"; exit 2; }
grep -qw avx2 /proc/cpuinfo || { echo "needs AVX2"; exit 2; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"

# Lists and packages of both releases in this folder, from the registry that this machine's apt already uses.
sources=/etc/apt/sources.list.d/debian.sources
[ -e "$sources" ] || sources=/etc/apt/sources.list
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
for suite in bookworm trixie; do
  mkdir -p "$suite/lists/partial" "$suite/cache/archives/partial"
  sed "s/\b$release\b/$suite/g" "$sources" >"$suite/debian.${sources##*.}"
  cat >"$suite/apt.conf" <<CONF
Dir::Etc::sourcelist "$directory/$suite/debian.${sources##*.}";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$directory/$suite/lists";
Dir::State::status "/dev/null";
Dir::Cache "$directory/$suite/cache";
APT::Sandbox::User "root";
CONF
  APT_CONFIG=$directory/$suite/apt.conf apt-get -q update >/dev/null 2>&1 || { echo "no list of packages of $suite"; exit 2; }
done
unpack() { # SUITE PACKAGE...
  local suite=$1 package
  shift
  for package in "$@"; do
    APT_CONFIG=$directory/$suite/apt.conf apt-get -q download "$package" >/dev/null 2>&1 ||
      { echo "$package of $suite could not be had"; exit 2; }
  done
}
unpack trixie python3.13-minimal libpython3.13-minimal libpython3.13-stdlib libc6 libstdc++6 libgcc-s1 libffi8 zlib1g \
  libexpat1 libgfortran5 libquadmath0
for package in ./*.deb; do dpkg -x "$package" root; done
rm -- ./*.deb
unpack bookworm libopenblas0-pthread=0.3.21+ds-4
dpkg -x ./libopenblas0*.deb older
rm -- ./*.deb
unpack trixie libopenblas0-pthread=0.3.29+ds-3
dpkg -x ./libopenblas0*.deb newer

cat >try.py <<'PYTHON'
import ctypes
import math
import sys

blas = ctypes.CDLL(sys.argv[1])
real, nan, inf = ctypes.c_float, math.nan, math.inf
ROWS, PLAIN = 101, 111  # CblasRowMajor, CblasNoTrans


def vector(value, count=64, kind=real):
    return (kind * count)(*[value] * count)


def shown(values):
    return "0" if set(values) == {0} else "NaN" if all(map(math.isnan, values)) else "/".join(sorted(set(map(str, values))))


results = []
for name, value in (("NaN", nan), ("infinity", inf)):
    x = vector(value)
    blas.cblas_sscal(64, real(0), x, 1)
    y = vector(value, kind=ctypes.c_double)
    blas.cblas_dscal(64, ctypes.c_double(0), y, 1)
    results += [f"sscal 0 * {name} = {shown(x)}", f"dscal 0 * {name} = {shown(y)}"]
zeros = vector(0.0)
c = vector(nan)
blas.cblas_sgemm(ROWS, PLAIN, PLAIN, 8, 8, 8, real(1), zeros, 8, zeros, 8, real(0), c, 8)
results.append(f"sgemm beta 0 on NaN = {shown(c)}")
c = vector(nan)
blas.cblas_sgemm(ROWS, PLAIN, PLAIN, 8, 8, 8, real(0), vector(nan), 8, zeros, 8, real(0), c, 8)
results.append(f"sgemm alpha 0 * NaN = {shown(c)}")
y = vector(nan, 8)
blas.cblas_sgemv(ROWS, PLAIN, 8, 8, real(1), zeros, 8, zeros, 1, real(0), y, 1)
results.append(f"sgemv beta 0 on NaN = {shown(y)}")
y = vector(nan)
blas.cblas_saxpby(64, real(1), zeros, 1, real(0), y, 1)
results.append(f"saxpby beta 0 on NaN = {shown(y)}")
blas.openblas_get_config.restype = ctypes.c_char_p
print(" ".join(blas.openblas_get_config().decode().split()[:2]))
print("\n".join("  " + line for line in results))
PYTHON
libraries=$directory/root/usr/lib/x86_64-linux-gnu
for version in older newer; do
  OPENBLAS_CORETYPE=Haswell OPENBLAS_NUM_THREADS=1 "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" \
    root/usr/bin/python3.13 try.py "$directory/$version/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0"
done | tee seen
cat >expected <<'TEXT'
OpenBLAS 0.3.21
  sscal 0 * NaN = 0
  dscal 0 * NaN = 0
  sscal 0 * infinity = 0
  dscal 0 * infinity = 0
  sgemm beta 0 on NaN = 0
  sgemm alpha 0 * NaN = 0
  sgemv beta 0 on NaN = 0
  saxpby beta 0 on NaN = 0
OpenBLAS 0.3.29
  sscal 0 * NaN = NaN
  dscal 0 * NaN = NaN
  sscal 0 * infinity = NaN
  dscal 0 * infinity = NaN
  sgemm beta 0 on NaN = 0
  sgemm alpha 0 * NaN = 0
  sgemv beta 0 on NaN = 0
  saxpby beta 0 on NaN = 0
TEXT
diff expected seen && echo "as described" && exit 0
echo "CHANGED: a factor of zero is treated otherwise"
exit 1
