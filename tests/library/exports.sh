#!/bin/sh
# Checks that libraries define the functions of the public header and no other global symbol:
#
#   exports.sh NM HEADER LIBRARY...
set -eu
nm=$1 header=$2
shift 2

# Every name with a parenthesis is that of a function that the header declares, also in its comments.
declared=$(grep -oE '\bcloze_[a-z_]+\(' "$header" | tr -d '(' | sort -u)
status=0
for library; do
  case $library in
    *.so*) symbols=$("$nm" --dynamic --defined-only --extern-only "$library") ;;
    *) symbols=$("$nm" --defined-only --extern-only "$library") ;;
  esac
  # Names with a dot first are not C's: clang's OpenMP has the locks of its reductions in common.
  exported=$(echo "$symbols" | awk 'NF == 3 && $3 !~ /^\./ { print $3 }' | sort -u)
  if [ "$exported" != "$declared" ]; then
    echo "$library exports:" "$exported"
    echo "$header declares:" "$declared"
    status=1
  fi
done
exit $status
