#!/usr/bin/env bash
# Question: a program has its loops built for three levels of processors, target_clones("arch=x86-64-v4", "arch=x86-64-v3",
#   "default"). Which of the versions runs on a processor of level 3 or 4?
# Versions: clang 14.0.6 and 19.1.7 and gcc 12.2.0, all of Debian 12, linked statically with its libgcc 12.2.0 and libc 2.36. By
#   hand: clang 15.0.6, 16.0.6 and 17.0.6 as 14; 18.1.8 as 19, and so for the levels the clang 20.1.2 of ziglang 0.15.2.
# Expected: the highest level that the processor has, as with gcc 12, which brought the levels; or else an error.
# Found: up to clang 17 the base line (SSE2) runs, on whatever processor: the resolver that chooses, when the program starts,
#   asks whether the processor's vendor, the first word of __cpu_model, is 0, which it never is (Intel is 1, AMD is 2). There is
#   no warning, and the versions are in the object file, so that a disassembler shows AVX-512 and AVX2 (if the function is
#   static, the one for level 3 is left out, as the question is the same). With "avx512f" and "avx2" for the levels clang chooses
#   well, but "avx2" brings no fused multiply-add. Known as LLVM issue 55830; mended in clang 18, not in the versions before.
#   Clang 18 and later, up to 22.1.8 at least (that of ziglang 0.17.0, in its assembly), still do the same for the names
#   "arch=core-avx2", which gcc takes for Haswell, and "arch=skx": LLVM issue 69202, open. "arch=haswell" and "arch=znver3" are
#   right with all of them, but mean that one processor, not those that can do as much.
# Why it matters: programs that train or run BERT on CPUs ship one binary for all and leave their loops for exponentials, GELU
#   and softmax to such clones. Built with Debian 12's clang, such a loop takes 2.5 to 3 times as long as it should on a
#   processor with AVX2; its results are right, and nothing tells.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried (also: the processor is not of level 3, which has AVX2).
set -euo pipefail
export LC_ALL=C

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || { echo "needs Debian on amd64"; exit 2; }
grep -qw avx2 /proc/cpuinfo || { echo "needs AVX2"; exit 2; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"

# Lists and packages of Debian 12 in this folder, from the registry that this machine's apt already uses. Of the packages only
# those are taken that the compilers and the linker run with: about 110 MB.
sources=/etc/apt/sources.list.d/debian.sources
[ -e "$sources" ] || sources=/etc/apt/sources.list
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
mkdir -p lists/partial cache/archives/partial packages
sed "s/\b$release\b/bookworm/g" "$sources" >"debian.${sources##*.}"
cat >apt.conf <<CONF
Dir::Etc::sourcelist "$directory/debian.${sources##*.}";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$directory/lists";
Dir::State::status "/dev/null";
Dir::Cache "$directory/cache";
APT::Sandbox::User "root";
CONF
export APT_CONFIG=$directory/apt.conf
apt-get -q update >/dev/null 2>&1 || { echo "no list of packages of bookworm"; exit 2; }
(cd packages && apt-get -q download 'clang-14=1:14.0.6*' 'libclang-cpp14=1:14.0.6*' 'libllvm14=1:14.0.6*' \
  'clang-19=1:19.1.7*' 'libclang-cpp19=1:19.1.7*' 'libllvm19=1:19.1.7*' 'cpp-12=12.2.0*' 'libgcc-12-dev=12.2.0*' \
  'libc6=2.36*' 'libc6-dev=2.36*' binutils-x86-64-linux-gnu libbinutils libctf0 libctf-nobfd0 libjansson4 libgmp10 libisl23 \
  libmpc3 libmpfr6 libgcc-s1 libstdc++6 libz3-4 libzstd1 zlib1g libxml2 libicu72 liblzma5 libedit2 libbsd0 libmd0 libtinfo6 \
  libffi8) >/dev/null 2>&1 || { echo "the compilers could not be had"; exit 2; }
unset APT_CONFIG
for package in packages/*.deb; do dpkg -x "$package" root; done

libraries=root/usr/lib/x86_64-linux-gnu
collection=root/usr/lib/gcc/x86_64-linux-gnu/12
loader=root/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
tool() { # PROGRAM ARGUMENT...: runs a program with the libraries of Debian 12, its C library among them
  "$loader" --library-path "$libraries:root/lib/x86_64-linux-gnu" "$@"
}
assemble() { tool root/usr/lib/llvm-14/bin/clang -c "$1" -o "$2"; }
link() { # OBJECT PROGRAM
  tool root/usr/bin/x86_64-linux-gnu-ld.bfd -static -o "$2" "$libraries/crt1.o" "$libraries/crti.o" "$1" \
    --start-group "$collection/libgcc.a" "$collection/libgcc_eh.a" "$libraries/libc.a" --end-group "$libraries/crtn.o"
}

# The C library's loader says which levels the processor has.
has() { "$loader" --help | grep "^ *$1 (supported" >/dev/null; }
has x86-64-v3 || { echo "the processor is not of level 3"; exit 2; }
level=v3
has x86-64-v4 && level=v4
feature=avx2
grep -qw avx512f /proc/cpuinfo && feature=avx512f

# A loop of exponentials. The function returns where it is, by which the version that ran is found in the list of symbols.
cat >loop.c <<'C'
int printf(const char *, ...);
long clock(void);
CLONES KIND const void *loop(const float *from, float *to, int count) {
  for (int i = 0; i < count; i++) {
    float scaled = from[i] * 1.44269504f, whole = scaled + 12582912.0f, power;
    float x = (scaled - (whole - 12582912.0f)) * 0.69314718f;
    unsigned bits;
    __builtin_memcpy(&bits, &whole, 4);
    bits = (bits << 23) + 0x3f800000;
    __builtin_memcpy(&power, &bits, 4);
    to[i] = power * (1.0f + x * (1.0f + x * (0.5f + x * (0.16666667f + x * (0.041666667f + x * 0.0083333333f)))));
  }
  const void *here;
  __asm__ volatile("lea 0(%%rip), %0" : "=r"(here));
  return here;
}
static float from[2048], to[2048];
int main(void) {
  const void *here = 0;
  long best = 1L << 60;
  for (int i = 0; i < 2048; i++) from[i] = (float)-i / 256.0f;
  for (int trial = 0; trial < 40; trial++) {
    long begin = clock();
    for (int i = 0; i < 2000; i++) here = loop(from, to, 2048);
    long time = clock() - begin;
    if (time < best) best = time;
  }
  printf("%016lx %ld %d %d %.4f\n", (unsigned long)here, best, !!__builtin_cpu_is("haswell"), !!__builtin_cpu_is("znver3"),
         (double)to[256]);
}
C

names() { sed -E 's/\.constprop.*//; s/^loop\.(arch_)?//; s/x86.64.//; s/\.[0-9]+$//; s/core.avx2/core-avx2/'; }
try() { # COMPILER NAME VERSIONS KIND OPTION...: builds with the versions (none: ""), runs, and prints a row
  local compiler=$1 name=$2 clones="__attribute__((noinline))" kind=$4 here time value emitted ran test="" plain=""
  if [ -n "$3" ]; then clones="__attribute__((target_clones($3)))"; else plain=1; fi
  shift 4
  set -- -O3 -Wall -Wextra -fno-pie "-DCLONES=$clones" "-DKIND=$kind" "$@" loop.c -o loop.s
  case $compiler in
    gcc) tool "$collection/cc1" -quiet "$@" ;;
    *) tool "root/usr/lib/llvm-$compiler/bin/clang" -S "$@" ;;
  esac 2>messages || {
    [ -z "$plain" ] || { cat messages; exit 2; }
    echo "  $name: refused: $(head -n 1 messages)" | tee -a seen
    return
  }
  [ ! -s messages ] || test=" (a message: $(head -n 1 messages))"
  { assemble loop.s loop.o && link loop.o loop; } || { echo "no program could be linked"; exit 2; }
  read -r here time haswell znver3 value < <(nice -n 19 ./loop) || { echo "the program does not run"; exit 2; }
  [ "$value" = 0.3679 ] || test+=" (wrong: exp(-1) = $value)"
  tool root/usr/bin/x86_64-linux-gnu-nm loop >symbols
  emitted=$(awk '$3 ~ /^loop\./ && $3 !~ /resolver|ifunc|constprop|cold/ { print $3 }' symbols | names | sort | xargs)
  ran=$({ cat symbols; echo "$here here"; } | sort |
    awk '$2 == "here" { print name } $3 ~ /^loop(\.|$)/ { name = $3 }' | names)
  grep -qE 'cmpl[[:space:]]+[$]0, __cpu_model(\(%rip\))?$' loop.s && test+=" (vendor 0?)"
  echo "  $name: has ${emitted:-none}; ran $ran$test" | tee -a seen |
    awk -v time="$time" '{ printf "%-92s %.2f ns a value\n", $0, time * 1000 / 2000 / 2048 }'
}
echo "Versions in the program, the one that ran, and its time; (vendor 0?): the resolver asks whether the vendor is 0."
levels='"arch=x86-64-v4", "arch=x86-64-v3", "default"'
for compiler in gcc 14 19; do
  case $compiler in gcc) echo "gcc 12.2.0" ;; 14) echo "clang 14.0.6" ;; 19) echo "clang 19.1.7" ;; esac | tee -a seen
  try $compiler 'no clones, -march=x86-64-v3' "" "" -march=x86-64-v3
  try $compiler 'no clones' "" ""
  try $compiler 'v4, v3' "$levels" ""
  try $compiler 'v4, v3, static' "$levels" static
  try $compiler 'v3' '"arch=x86-64-v3", "default"' ""
  try $compiler 'avx512f, avx2' '"avx512f", "avx2", "default"' ""
  try $compiler 'haswell' '"arch=haswell", "default"' ""
  try $compiler 'znver3' '"arch=znver3", "default"' ""
  try $compiler 'core-avx2' '"arch=core-avx2", "default"' ""
done

one() { if [ "$1" = 1 ]; then echo "$2"; else echo default; fi; }
expect() { # COMPILER LEVELS'-END LEVEL-3'S-END CORE-AVX2'S-END STATIC-VERSIONS
  cat <<TEXT
$1
  no clones, -march=x86-64-v3: has none; ran loop
  no clones: has none; ran loop
  v4, v3: has default v3 v4; ran $2
  v4, v3, static: has $5; ran $2
  v3: has default v3; ran $3
  avx512f, avx2: has avx2 avx512f default; ran $feature
  haswell: has default haswell; ran $(one "$haswell" haswell)
  znver3: has default znver3; ran $(one "$znver3" znver3)
  core-avx2: has core-avx2 default; ran $4
TEXT
}
{
  expect "gcc 12.2.0" $level v3 "$(one "$haswell" core-avx2)" "default v3 v4"
  expect "clang 14.0.6" "default (vendor 0?)" "default (vendor 0?)" "default (vendor 0?)" "default v4"
  expect "clang 19.1.7" $level v3 "default (vendor 0?)" "default v3 v4"
} >expected
diff expected seen && echo "as described, on a processor of level $level" && exit 0
echo "CHANGED: other versions are built or chosen"
exit 1
