#!/usr/bin/env bash
# Question: ICU's sentence boundaries (ubrk_open with UBRK_SENTENCE) of the same text: are those of Debian 12 (ICU 72,
#   Unicode 15.0) and Debian 13 (ICU 76, Unicode 16) the same, rare scripts of the newer Unicode aside?
# Versions: libicu72 72.1-3+deb12u1, libicu76 76.1-4; both are loaded into one process, the Python of Debian 13.
# Expected: yes. A semicolon and the full stop of Khmer, the khan (U+17D4), have been in Unicode for 25 years and more.
# Found: both are treated otherwise.
#   - For ICU 72 the khan ends no sentence, so a whole Khmer text without line breaks is one sentence; ICU 76 cuts after
#     every khan, and so with the end marks of Coptic.
#   - For ICU 72 a semicolon after an abbreviation's full stop begins a sentence: "et al.", "; Jones 1999.". For ICU 76 it
#     continues the one before, so a list of references is one sentence.
#   - In the locale "el" the semicolon is a question mark, and ends a sentence in both.
# Why it matters: BERT's next-sentence prediction learns from these boundaries. A corpus that is prepared on Debian 12 and on
#   Debian 13 gives other sentences, so other examples and another model, and a Khmer document is too short for a pair of
#   sentences on one and has hundreds on the other. Scientific text with references is full of the second case.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -eu

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || { echo "needs Debian on amd64"; exit 2; }
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
unpack bookworm libicu72=72.1-3+deb12u1
unpack trixie libicu76=76.1-4 python3.13-minimal libpython3.13-minimal libpython3.13-stdlib libc6 libstdc++6 libgcc-s1 \
  libffi8 zlib1g libexpat1
for package in ./*.deb; do dpkg -x "$package" root; done

cat >try.py <<'PYTHON'
import ctypes
import sys

LIBRARIES = sys.argv[1]


class Icu:
    def __init__(self, version):
        ctypes.CDLL(f"{LIBRARIES}/libicudata.so.{version}", mode=ctypes.RTLD_GLOBAL)
        library = ctypes.CDLL(f"{LIBRARIES}/libicuuc.so.{version}", mode=ctypes.RTLD_GLOBAL)
        pointer = ctypes.c_void_p
        self.open, self.next, self.close = (getattr(library, f"ubrk_{name}_{version}") for name in ("open", "next", "close"))
        self.open.restype = pointer
        self.open.argtypes = [ctypes.c_int, ctypes.c_char_p, pointer, ctypes.c_int32, pointer]
        self.next.argtypes = self.close.argtypes = [pointer]

    def sentences(self, text, locale="en"):
        units = text.encode("utf-16-le")
        error = ctypes.c_int(0)
        iterator = self.open(3, locale.encode(), units, len(units) // 2, ctypes.byref(error))
        assert error.value <= 0, error.value
        found, start = [], 0
        while (end := self.next(iterator)) >= 0:
            found.append(units[2 * start:2 * end].decode("utf-16-le"))
            start = end
        self.close(iterator)
        return found


older, newer = Icu(72), Icu(76)
khmer = "ខ្ញុំទៅផ្សារ។ គាត់នៅផ្ទះ។ យើងញ៉ាំបាយ។"
texts = [  # text, locale, sentences in ICU 72, in ICU 76
    ("The cat sat. It slept; then it ate.", "en", 2, 2),
    (khmer, "km", 1, 3),
    (khmer, "en", 1, 3),
    ("See Smith et al.; Jones 1999.", "en", 2, 1),
    ("Ames J.; Bell K.; Cole L.; Dunn M.", "en", 4, 1),
    ("She said \"No.\"; They left.", "en", 2, 1),
    ("Πού; Εκεί.", "en", 1, 1),
    ("Πού; Εκεί.", "el", 2, 2),
]
as_found = True
for text, locale, before, after in texts:
    one, other = older.sentences(text, locale), newer.sentences(text, locale)
    print(f"{locale}: ICU 72 {one}\n    ICU 76 {other if other != one else 'the same'}")
    as_found &= (len(one), len(other)) == (before, after)
print("as described" if as_found else "CHANGED: the sentences are others")
sys.exit(0 if as_found else 1)
PYTHON
libraries=$directory/root/usr/lib/x86_64-linux-gnu
"$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" root/usr/bin/python3.13 try.py "$libraries"
