#!/usr/bin/env bash
# Question: a token is added to an uncased BertTokenizer (add_tokens). Do tokenizer.tokenize and convert_tokens_to_ids, one
#   after the other, give the ids of tokenizer.encode?
# Versions: transformers 5.24.0, tokenizers 0.23.3.
# Expected: yes, that is how the two are defined for words of the vocabulary, and how BERT's data has always been prepared.
# Found: an added token is looked for in the normalized text, and is reported under its normalized name, which no table
#   knows. [URL] is reported as "[url]", an accent is gone, and a Chinese word has the blanks around its characters that
#   the normalizer inserts. encode gives the new id; tokenize plus convert_tokens_to_ids gives [UNK], without a word.
#   id_to_token gives that name as well, so it is not the inverse of token_to_id, and decode writes the altered text. With
#   AddedToken(..., normalized=False), or where the name is normal already, all is well.
# Why it matters: who adapts BERT to a field adds tokens such as [URL], COVID or Chinese words, trains on ids from encode and
#   writes shards with tokenize and convert_tokens_to_ids, or the reverse: one of the two sees [UNK] in every such place.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -eu

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv" || exit 2
"$directory/venv/bin/pip" install -qq --no-compile transformers==5.24.0 tokenizers==0.23.3 ||
  { echo "the packages could not be installed"; exit 2; }

cat >"$directory/try.py" <<'PYTHON'
import sys
from transformers import AddedToken, BertTokenizer

path = sys.argv[1] + "/vocab.txt"
vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "see", "a", "大", "猫", "屋"]
with open(path, "w", encoding="utf-8") as file:
    file.write("\n".join(vocabulary) + "\n")
added = ["covid", "[URL]", "COVID-19", "café", "猫屋"]
names = {"covid": "covid", "[URL]": "[url]", "COVID-19": "covid-19", "café": "cafe", "猫屋": " 猫  屋 "}

as_found = True
for normalized in (True, False):
    tokenizer = BertTokenizer(vocab=path)
    tokenizer.add_tokens(added if normalized else [AddedToken(token, normalized=False) for token in added])
    print("as add_tokens adds them" if normalized else "with normalized=False")
    for number, token in enumerate(added):
        text = "see " + token
        ids = tokenizer.encode(text, add_special_tokens=False)
        tokens = tokenizer.tokenize(text)
        two_steps = tokenizer.convert_tokens_to_ids(tokens)
        print(f"  {text}: encode {ids}, tokenize {tokens}, then ids {two_steps}, decode {tokenizer.decode(ids)!r}")
        name = names[token] if normalized else token
        number += len(vocabulary)
        as_found &= (ids == [5, number] and tokens == ["see", name]
                     and two_steps == [5, number if name == token else 1]
                     and tokenizer.backend_tokenizer.token_to_id(token) == number
                     and tokenizer.backend_tokenizer.id_to_token(number) == name)
print("as described" if as_found else "CHANGED: added tokens are reported under other names")
sys.exit(0 if as_found else 1)
PYTHON
"$directory/venv/bin/python" -W ignore "$directory/try.py" "$directory"
