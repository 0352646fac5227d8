#!/usr/bin/env bash
# Question: onnxruntime-extensions turns a transformers BertTokenizer into an ONNX operator of the same name
#   (gen_processing_models). Does the operator give an uncased tokenizer's tokens?
# Versions: onnxruntime-extensions 0.15.2, onnxruntime 1.32.0, onnx 1.23.2, transformers 5.24.0, tokenizers 0.23.3.
# Expected: the same ids, at least for the text of European languages.
# Found, none of it with a warning:
#   - Accents stay. transformers says strip_accents=None for "as lower-casing says"; the conversion writes 0.
#   - Lower-casing knows ASCII, Latin-1, the Russian letters U+0410 to U+042F, and of the Greek alphabet the seven letters
#     from iota to pi. The other capitals stay, so Polish Ł, Czech Ř, Ukrainian Є, Russian Ё, Armenian, Vietnamese Đ
#     and most of the Greek ones are never found in an uncased vocabulary.
#   - Capitals of ancient Greek become other capitals: alpha with a breathing (U+1F08) turns into eta with it (U+1F28), 32
#     code points further on.
#   - With strip_accents=1, the accents of Latin-1 are removed and no others: not the caron of ř, not that of a Ukrainian ї.
# Why it matters: this is the way to ship a BERT with its tokenizer inside the ONNX file, for instance to a phone. A model
#   that was tested in Python meets [UNK] and other splits there, in nearly every language that is not English.
# Status: 0 it behaves so, 1 it has changed, 2 it could not be tried.
set -eu

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv" || exit 2
"$directory/venv/bin/pip" install -qq --no-compile onnxruntime-extensions==0.15.2 onnxruntime==1.32.0 onnx==1.23.2 \
  transformers==5.24.0 tokenizers==0.23.3 || { echo "the packages could not be installed"; exit 2; }

cat >"$directory/try.py" <<'PYTHON'
import sys
import unicodedata
from collections import Counter
from onnxruntime_extensions import OrtPyFunction, gen_processing_models
from transformers import BertTokenizer

vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
for character in map(chr, range(0x21, 0x2000)):
    if unicodedata.category(character)[0] in "LMNPS":
        vocabulary += [character, "##" + character]
path = sys.argv[1] + "/vocab.txt"
with open(path, "w", encoding="utf-8") as file:
    file.write("\n".join(vocabulary) + "\n")

tokenizer = BertTokenizer(vocab=path)
converted = OrtPyFunction(gen_processing_models(tokenizer, pre_kwargs={})[0])
stripping = OrtPyFunction.from_customop("BertTokenizer", vocab_file=path, do_lower_case=1, strip_accents=1)


def word(tokens):
    return "".join(token.removeprefix("##") for token in tokens)


def operator(function, text):
    return word(vocabulary[i] for i in function([text])[0][1:-1])


print("word, transformers, converted, operator with strip_accents=1")
seen = {}
for text in ("CAFÉ", "Dvořák", "ŁÓDŹ", "МОСКВА", "ЄВА", "Ёлка", "КИЇВ", "ΚΟΣΜΟΣ", "ΑΘΗΝΑ", "Ἀθῆναι", "Đà", "Ավ"):
    seen[text] = (word(tokenizer.tokenize(text)), operator(converted, text), operator(stripping, text))
    print(" ", text, *seen[text])

fate = Counter()
for character in map(chr, range(0x41, 0x2000)):
    if unicodedata.category(character) == "Lu" and character.lower() in vocabulary:
        result = operator(converted, character)
        fate["lower" if result == character.lower() else "kept" if result == character else "another letter"] += 1
print("capitals below U+2000:", dict(fate))

as_found = (seen == {
    "CAFÉ": ("cafe", "café", "cafe"), "Dvořák": ("dvorak", "dvořák", "dvořak"), "ŁÓDŹ": ("łodz", "ŁódŹ", "ŁodŹ"),
    "МОСКВА": ("москва",) * 3, "ЄВА": ("єва", "Єва", "Єва"), "Ёлка": ("елка", "Ёлка", "Ёлка"),
    "КИЇВ": ("киів", "киЇв", "киЇв"), "ΚΟΣΜΟΣ": ("κοσμοσ", "κοΣμοΣ", "κοΣμοΣ"),
    "ΑΘΗΝΑ": ("αθηνα", "ΑΘΗνΑ", "ΑΘΗνΑ"), "Ἀθῆναι": ("αθηναι", "Ἠθῆναι", "Ἠθῆναι"),
    "Đà": ("đa", "Đà", "Đa"), "Ավ": ("ավ", "Ավ", "Ավ")}
    and fate["lower"] < 110 and fate["kept"] > 500 and fate["another letter"] > 20)
print("as described" if as_found else "CHANGED: the operator treats letters otherwise")
sys.exit(0 if as_found else 1)
PYTHON
"$directory/venv/bin/python" -W ignore "$directory/try.py" "$directory"
