#!/usr/bin/env bash
# Question: shards of a corpus, each compressed by itself, are concatenated, and one of them is empty. Does libarchive read the
#   rest, as it does when no shard is empty?
# Versions: libarchive 3.6.2 (Debian 12) and 3.7.4 (Debian 13), with their tools bsdcat and bsdtar, both run with the C library
#   of Debian 13; 3.8.9 (testing, November 2026) behaves so too. Compressed by lz4 1.10.0, zstd 1.5.7, gzip, bzip2 and xz.
# Expected: all that the shards hold. Concatenated frames are valid in each of the formats and read by each of the tools;
#   libarchive reads them too, and the description of LZ4 frames even recommends an empty frame as the first, ahead of a
#   frame that is to be skipped, so that a file is known by its beginning.
# Found: for gzip, bzip2, xz and zstd an empty shard changes nothing. For lz4 it ends the data: whatever follows is missing, with
#   status 0 and without a message. If the first shard is empty, the file is an empty one, and bsdtar lists an archive
#   without members; a file that begins as recommended is empty as well. lz4 -d gives each of the files whole.
# Why it matters: a filter that keeps nothing of a shard leaves an empty one, which lz4 makes 15 bytes of. A pre-training run
#   then sees part of its corpus, and nothing tells; all that reads through libarchive is concerned, from bsdtar to the bindings
#   for other languages (libarchive-c 5.3 for Python also stops at the empty shard).
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -euo pipefail

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || { echo "needs Debian on amd64"; exit 2; }
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"

# Lists and packages of both releases in this folder, from the registry that this machine's apt already uses.
sources=/etc/apt/sources.list.d/debian.sources
[ -e "$sources" ] || sources=/etc/apt/sources.list
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
unpack() { # SUITE PACKAGE[=VERSION]...: the packages and all that they need
  local suite=$1 package
  shift
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
  export APT_CONFIG=$directory/$suite/apt.conf
  apt-get -q update >/dev/null 2>&1 || { echo "no list of packages of $suite"; exit 2; }
  apt-get -q install --download-only --no-install-recommends -y "$@" >/dev/null 2>&1 ||
    { echo "$* of $suite could not be had"; exit 2; }
  unset APT_CONFIG
  for package in "$suite"/cache/archives/*.deb; do dpkg -x "$package" "$suite/root"; done
}
unpack bookworm 'libarchive-tools=3.6.2*'
unpack trixie 'libarchive-tools=3.7.4*' 'lz4=1.10.0*' 'zstd=1.5.7*' bzip2 xz-utils gzip

path=usr/lib/x86_64-linux-gnu
tool() { # SUITE NAME ARGUMENT...: runs a program with the libraries of its release, but the C library of Debian 13
  local suite=$1 program
  program=$suite/root/usr/bin/$2
  [ -e "$program" ] || program=$suite/root/bin/$2
  shift 2
  "trixie/root/$path/ld-linux-x86-64.so.2" --library-path \
    "trixie/libc:$suite/root/$path:$suite/root/lib/x86_64-linux-gnu" "$program" "$@"
}
mkdir trixie/libc
for library in libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 librt.so.1 ld-linux-x86-64.so.2; do
  cp -L "trixie/root/$path/$library" trixie/libc/
done

seq 1 1000 >first
seq 1001 2000 >last
: >none
tar -cf archive.tar first last
for compressor in gzip bzip2 xz zstd lz4; do
  for shard in first last none archive.tar; do tool trixie "$compressor" -c <"$shard" >"$shard.$compressor" 2>/dev/null; done
  cat first."$compressor" last."$compressor" >"plain.$compressor"
  cat first."$compressor" none."$compressor" last."$compressor" >"between.$compressor"
  cat none."$compressor" first."$compressor" last."$compressor" >"ahead.$compressor"
  cat none."$compressor" archive.tar."$compressor" >"tar.$compressor"
  for file in plain between ahead; do
    tool trixie "$compressor" -dc <"$file.$compressor" | cmp -s - <(cat first last) ||
      { echo "$compressor does not read $file.$compressor"; exit 2; }
  done
done
{ cat none.lz4; printf '\x50\x2a\x4d\x18\x04\0\0\0note'; cat first.lz4 last.lz4; } >recommended.lz4
tool trixie lz4 -dc recommended.lz4 | cmp -s - <(cat first last) ||
  { echo "lz4 does not read recommended.lz4"; exit 2; }

read_all() { # SUITE FILE TOOL ARGUMENT...: prints how many lines the tool gives, and its status if that is not 0
  local suite=$1 file=$2 lines status=0
  shift 2
  lines=$(tool "$suite" "$@" "$file" | wc -l) || status=$?
  echo -n " ${file#*.} $lines"
  [ "$status" = 0 ] || echo -n " (status $status)"
}
for suite in bookworm trixie; do
  tool "$suite" bsdcat --version | grep -o 'libarchive [0-9.]*'
  for file in plain between ahead; do
    echo -n "  bsdcat, lines of 2000, empty frame: ${file/plain/none}:"
    for compressor in gzip bzip2 xz zstd lz4; do read_all "$suite" "$file.$compressor" bsdcat; done
    echo
  done
  echo -n "  bsdcat, lines of 2000, empty frame and a skipped one ahead, as recommended:"
  read_all "$suite" recommended.lz4 bsdcat
  echo
  echo -n "  bsdtar, members of 2, empty frame: ahead:"
  for compressor in gzip bzip2 xz zstd lz4; do read_all "$suite" "tar.$compressor" bsdtar -tf; done
  echo
done | tee seen

cat >expected <<'TEXT'
  bsdcat, lines of 2000, empty frame: none: gzip 2000 bzip2 2000 xz 2000 zstd 2000 lz4 2000
  bsdcat, lines of 2000, empty frame: between: gzip 2000 bzip2 2000 xz 2000 zstd 2000 lz4 1000
  bsdcat, lines of 2000, empty frame: ahead: gzip 2000 bzip2 2000 xz 2000 zstd 2000 lz4 0
  bsdcat, lines of 2000, empty frame and a skipped one ahead, as recommended: lz4 0
  bsdtar, members of 2, empty frame: ahead: gzip 2 bzip2 2 xz 2 zstd 2 lz4 0
TEXT
diff <(echo libarchive 3.6.2; cat expected; echo libarchive 3.7.4; cat expected) seen && echo "as described" && exit 0
echo "CHANGED: an empty frame is treated otherwise"
exit 1
