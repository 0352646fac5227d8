#!/usr/bin/env bash
# Runs the examples of every --help, in the order of `cloze --help`, on small files of the names that they mention:
#
#   examples.sh PROGRAM
#
# PROGRAM is called cloze.
set -euo pipefail
program=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export PATH=${program%/*}:$PATH

sentences() { # FIRST LAST
  awk -v first="$1" -v last="$2" 'BEGIN {
    split("dog cat cook waiter soup bread room story", noun); split("sees finds likes leaves serves warms", verb)
    split("good cold warm bad late friendly", adjective)
    for (i = first; i <= last; i++) {
      printf "The %s %s %s the %s %s.\n", adjective[i % 6 + 1], noun[i % 8 + 1], verb[i % 6 + 1], adjective[int(i / 6) % 6 + 1],
        noun[int(i / 7) % 8 + 1]
      if (i % 10 == 0) print ""
    }
  }'
}
reviews() { # FIRST LAST
  printf 'text\tlabel\n'
  sentences "$1" "$2" | awk 'NF { print $0 "\t" (/ good / ? "good" : "other") }'
}

mkdir corpus field pairs
sentences 1 1500 | gzip >corpus/1.txt.gz
sentences 1501 3000 | gzip >corpus/2.txt.gz
sentences 3001 3100 >held-out.txt
sentences 3101 3130 | awk NF >lines.txt
sed 's/story/bouillabaisse/' held-out.txt >field/1.txt
reviews 1 60 >train.tsv
reviews 61 90 >test.tsv
printf '%s\n' '{"sentence_good": "The dog sees.", "sentence_bad": "The dog see.", "UID": "verb", "field": "syntax"}' >pairs/1.jsonl
cat >reviews.yaml <<END
output: runs/reviews
model: {init_from: runs/mine}
task: {train: [train.tsv], valid: [test.tsv], text: text, label: label}
train: {epochs: 1, batch_size: 16}
END

run_examples() { # COMMAND
  "$program" "$1" --help | sed '1,/^examples:$/d; /^$/,$d; s/^  //' >examples
  grep -q . examples || { echo "cloze $1 --help has no example"; exit 1; }
  if ! bash -euo pipefail examples >out 2>err </dev/null; then
    printf 'an example of cloze %s fails:\n%s\n%s\n' "$1" "$(<examples)" "$(tail -n 20 err)"
    exit 1
  fi
}
made() { # FILE...
  local file
  for file; do
    [ -s "$file" ] || { echo "the examples have not made $file"; exit 1; }
  done
}

for command in $("$program" --help | sed -n '/^commands:$/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
  run_examples "$command"
  case $command in
    init) # its file is for eight hours: a small one takes its place
      made run.yaml
      cat >run.yaml <<END
output: runs/mine
model: {size: tiny}
tokenizer: {vocab_size: 120}
data: {train: [corpus/*.txt.gz], sentences: line, seq_len: 32, valid_fraction: 0.05}
train: {steps: 20, batch_size: 8}
END
      ;;
    predict) made labels.tsv predicted.tsv ;;
    embed) made vectors.npy sorted.npy ;;
    report) made report.html compare.html ;;
    vocab) grep -q bouillabaisse field.txt || { echo "the example of --extend adds no word"; exit 1; } ;;
    tokenize) made ids.txt ;;
  esac
done
made runs/second/checkpoints/best/model.safetensors runs/three/best/predictions.tsv mine/model.safetensors \
  mine-encoder/model.safetensors batches/step-00000002.safetensors scores.safetensors
