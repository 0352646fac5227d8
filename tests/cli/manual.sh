#!/usr/bin/env bash
# Compares the manual page and every --help with what the program has, and has the page typeset by what is installed of groff,
# man and mandoc:
#
#   manual.sh PROGRAM
set -euo pipefail
program=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
status=0
wrong() { echo "$*"; status=1; }

# What completion offers, without its kind and without meanings.
offered() { "$program" --complete "$@" | sed '1d; s/\t.*//'; }
# As a line is in the source of a page: "-" is "\-", and some signs have names.
source_of() { sed 's/\\/\\e/g; s/-/\\-/g; s/\^/\\(ha/g; s/~/\\(ti/g; s/`/\\(ga/g; s/'"'"'/\\(aq/g' <<<"$1"; }
# The part of the page from this title to the next one.
part() { awk -v title="$1" '/^\.S[HS] / { inside = $0 == title } inside' cloze.1 >"$2"; }

"$program" --manual >cloze.1
CLOZE_FP32_KERNELS=nonsense LC_ALL=C "$program" --manual | cmp - cloze.1 || wrong "the environment changes the manual"
LC_ALL=C grep -nP '[^\x20-\x7e]' cloze.1 && wrong "the manual is not plain ASCII"
sections=$(sed -n 's/^\.SH //p' cloze.1 | tr '\n' ',')
[ "$sections" = "NAME,SYNOPSIS,DESCRIPTION,COMMANDS,OPTIONS,CONFIGURATION,FILES,EXIT STATUS,ENVIRONMENT,EXAMPLES,SEE ALSO," ] ||
  wrong "the manual has the sections $sections"

commands=$(offered '' | grep -vx help)
[ "$(wc -l <<<"$commands")" -ge 18 ] || wrong "completion offers the commands $commands"
[ "$(sed -n 's/^\.SS cloze //p' cloze.1)" = "$commands" ] || wrong "the manual has other commands than: $commands"
"$program" --help >help
part '.SH OPTIONS' options
part '.SH EXAMPLES' examples
for option in $(offered -); do
  grep -qxF "\\fB$(source_of "$option")\\fR" options || wrong "the manual lacks the option $option"
  grep -q "^  $option " help || wrong "--help lacks the option $option"
done

for command in $commands; do
  "$program" "$command" --help >command.help
  part ".SS cloze $command" command.page
  sed -n '/^usage: /,/^$/p' command.help >command.usage
  grep -q "^  $command " help || wrong "--help lacks the command $command"
  [ "$(offered "$command" --)" != --help ] || [ "$command" = nsp ] || wrong "completion offers no option of $command"
  for option in $(offered "$command" -- | grep -vx -- --help); do
    grep -qE "^  $option( |\$)" command.help || wrong "cloze $command --help lacks $option"
    grep -qE -- "$option([] ]|\$)" command.usage || wrong "the usage of cloze $command lacks $option"
    grep -F "\\fB$(source_of "$option")\\fR" command.page >/dev/null || wrong "the manual of $command lacks $option"
  done
  sed '1,/^examples:$/d; /^$/,$d; s/^  //' command.help >command.examples
  grep -q "^cloze $command\|[ |]cloze $command" command.examples || wrong "cloze $command --help has no example"
  while IFS= read -r line; do
    [[ $line != '# '* ]] || line="${line#'# '}:"
    grep -qxF -- "$(source_of "$line")" examples || wrong "the manual lacks an example of $command: $line"
  done <command.examples
  grep -nE '.{81}| $' command.help && wrong "cloze $command --help has a line that is too wide, or spaces at its end"
done

keys=$(offered config run.yaml --set '')
[ "$(wc -l <<<"$keys")" -ge 60 ] || wrong "completion offers the keys $keys"
for key in $keys; do
  grep -qxF "\\fB${key%=}\\fR" cloze.1 || wrong "the manual lacks the key ${key%=}"
done

# Nothing is said but that the page has no date, which would make it another one each time that it is made.
typeset_by() { # COMMAND...
  if ! command -v "$1" >/dev/null; then
    echo "SKIPPED: the manual page by $1, which is not installed"
    return
  fi
  "$@" >typeset 2>&1 || grep -q 'missing date' typeset || wrong "$1 fails"
  sed 's/.\x08//g; /missing date/d' typeset | LC_ALL=C.UTF-8 grep -nE '.{81}|(warning|WARNING|STYLE|error|ERROR):' &&
    wrong "$1 has warnings, or lines that are too wide"
  return 0
}
export LC_ALL=C.UTF-8 MANWIDTH=80
typeset_by groff -man -Tutf8 -P-cbou -ww cloze.1
typeset_by man --warnings --encoding=UTF-8 --local-file cloze.1
typeset_by mandoc -Tutf8 -Owidth=78 cloze.1
typeset_by mandoc -Tlint cloze.1
exit $status
