#!/usr/bin/env bash
# Question: what does DataCollatorForLanguageModeling(whole_word_mask=True), the only masking of whole words in transformers 5,
#   mask in Chinese, which is written without blanks, and where BERT makes every ideograph a token?
# Versions: transformers 5.24.0, tokenizers 0.23.3.
# Expected: single ideographs, as each is a word for BERT's tokenizer and none begins with "##".
# Found: a word begins where the offsets in the text leave a gap, so a word is what stands between blanks. A whole Chinese
#   sequence, with its punctuation, is one word. At the default probability of 0.15, 85 percent of the sequences have no
#   masked token at all, and in 15 percent *every* token is [MASK]. The average share of masked tokens is right, so a
#   check of the average sees nothing. In English, the blanks decide too: "(see)" and "state-of-the-art," are one word each.
# Why it matters: pre-training on Chinese or Japanese learns nothing from a sequence without labels, and next to nothing
#   from one that has no visible token; the loss is that of guessing frequencies. The masking of whole words is what
#   well-known Chinese models were trained with.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -eu

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv" || exit 2
"$directory/venv/bin/pip" install -qq --no-compile transformers==5.24.0 tokenizers==0.23.3 ||
  { echo "the packages could not be installed"; exit 2; }

cat >"$directory/try.py" <<'PYTHON'
import sys
from string import ascii_lowercase
from transformers import BertTokenizer, DataCollatorForLanguageModeling

SEQUENCES = 2000
texts = {
    "Chinese": "天气很好，我们去公园散步。孩子在草地上跑，老人坐在树下聊天。",
    "English": "the old man sat in the park and told the child a tale of cats.",
    "English without blanks": "state-of-the-art,(see)below",
}
path = sys.argv[1] + "/vocab.txt"
with open(path, "w", encoding="utf-8") as file:
    for token in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(texts["Chinese"])), *".,-()",
                  *ascii_lowercase, *("##" + letter for letter in ascii_lowercase)]:
        file.write(token + "\n")
tokenizer = BertTokenizer(vocab=path)

seen = {}
for name, text in texts.items():
    example = tokenizer(text, return_special_tokens_mask=True, return_offsets_mapping=True)
    tokens = len(example["input_ids"]) - 2
    for whole in (False, True):
        collator = DataCollatorForLanguageModeling(tokenizer, whole_word_mask=whole, mask_replace_prob=1,
                                                   random_replace_prob=0, return_tensors="np", seed=1)
        copies = [{key: value for key, value in example.items() if whole or key != "offset_mapping"}
                  for _ in range(SEQUENCES)]
        selected = collator(copies)["labels"] != -100
        count = selected.sum(axis=1)
        row = {"mean": count.mean() / tokens, "no token": (count == 0).mean(), "all tokens": (count == tokens).mean()}
        seen[name, whole] = row, len({tuple(pattern) for pattern in selected.tolist()})
        print(f"{name}, {tokens} tokens, whole_word_mask={whole}:",
              ", ".join(f"{key} {100 * value:.1f} %" for key, value in row.items()),
              f"of {SEQUENCES} sequences; {seen[name, whole][1]} different selections")


def one_word(name):
    row, patterns = seen[name, True]
    return patterns == 2 and 0.12 < row["all tokens"] < 0.18 and abs(row["no token"] + row["all tokens"] - 1) < 1e-9


as_found = (one_word("Chinese") and one_word("English without blanks") and seen["English", True][1] > 100
            and all(0.13 < row["mean"] < 0.17 for row, _ in seen.values())
            and all(seen[name, False][1] > 1000 for name in texts))
print("as described" if as_found else "CHANGED: the words are others")
sys.exit(0 if as_found else 1)
PYTHON
"$directory/venv/bin/python" -W ignore "$directory/try.py" "$directory"
