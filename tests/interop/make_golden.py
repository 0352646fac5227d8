"""Makes tests/golden: what PyTorch and Hugging Face compute for a few small cases, for machines without them.

    .venv/bin/python tests/interop/make_golden.py

tests/cli/test_golden.c and tests/text/test_golden_tokenizer.c compare cloze with these files; test_golden.py here fails when
they are not what this script makes with the pinned packages. They hold nothing but what is written below.

    bert/                   BertForPreTraining and BertTokenizer as save_pretrained writes them, weights from a seed
    batch.safetensors       sequences of several lengths, one of them without a masked token
    score-ACT.safetensors   what BertForPreTraining with hidden_act ACT and torch's autograd make of model and batch
    fill.json               the five best of the fill-mask pipeline
    nsp.json                P(IsNext) of BertForNextSentencePrediction
    text.txt, training.json the losses of 20 steps of torch.optim.AdamW from the model, on the batches that `cloze batches`
                            makes of the text: to be made anew when cloze draws other batches for a seed
    tokenizer.json          a vocabulary, texts in many scripts, and their ids by `tokenizers` under four sets of flags
    characters.json         checksums of the ids of every Unicode scalar value in three contexts, cased and uncased
                            (test_tokenizer.py compares this file, which takes a minute to make)
"""

import json
import os
import pathlib
import tempfile

import numpy as np
import tokenizers
import torch
import transformers
from safetensors.numpy import save_file

import test_tokenizer
from reference import (
    batches, bert_config, make_batch, make_model, run, torch_score, torch_train, train, write_config)

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests/golden"
MADE = {"made_by": "tests/interop/make_golden.py",
        "with": f"torch {torch.__version__}, transformers {transformers.__version__}, tokenizers {tokenizers.__version__}"}
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "the cat sat on a mat while rain fell over green hills and nobody mind ##ed it ##s . , ' owl old an ##l".split()

TRAINING = {"model": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
            "data": {"seq_len": 24, "valid_fraction": 0, "sentences": "line"},
            "train": {"steps": 20, "batch_size": 6, "micro_batch_size": 4, "learning_rate": 1e-2, "warmup_steps": 5,
                      "weight_decay": 0.01, "max_grad_norm": 1.0, "log_every": 1, "save_every": 0}}

# Texts for the tokenizer: scripts, accents composed and not, controls, spaces, punctuation old and new, special tokens.
TEXTS = [
    "", " ", "Hello, World!", "don't can't it's", "naïve café Zürich Ångström", "nai\u0308ve cafe\u0301 A\u030angstro\u0308m",
    "İstanbul ıI ΟΔΟΣ ὈΔΥΣΣΕΎΣ straße ẞ", "ǅ ﬁ ﬀ ŉ ǰ", "Привет, мир! Ёлка й", "שָׁלוֹם עולם", "مَرْحَبًا بالعالم ١٢٣", "नमस्ते दुनिया क़",
    "สวัสดีชาวโลก", "中国 漢字かな交じり文", "東京タワー ｶﾞﾊﾟ ＡＢＣ１２３", "한국어 가각 \u1100\u1161", "𠀀𠀁 豈更 \U0002f800", "tab\there\r\nnew\u2028line\u2029end",
    "no\u00a0break\u3000space\u200bzero\u2009thin", "soft\u00adhyphen zero\u200djoiner \ufeffbom", "bell\x07 \x7f \x85 \ufffd",
    "private \ue000 use \U000f0000", "a.b,c;d:e!f?g(h)i[j]k{l}m", "«quotes» “curly” — dash… ¿qué? 、。", "$5 + €7 = £12 ^_^ `~|<>",
    "[MASK] [CLS]x[SEP] [mask] [[MASK]] [UNK][PAD]", "MASK] [MASK", "😀 family 👨‍👩‍👧 flag 🇩🇪", "1/2 ½ ² ₃ Ⅷ", "x" * 100, "x" * 101, "é" * 100,
    "e\u0301" * 60, "\u0301 lone \u0327 marks", "\u2f00 \uf900 \u3007", "##a # ##", "The CAT sat on the mats.",
    "Việt Nam Tiếng", "ქართული ᲥᲐᲠᲗᲣᲚᲘ", "Հայերեն ԵՒ և", "ᏣᎳᎩ ꮳꮃꭹ", "தமிழ் සිංහල မြန်မာ",
]
FLAGS = [{"lowercase": True, "strip_accents": None, "tokenize_chinese_chars": True},
         {"lowercase": False, "strip_accents": None, "tokenize_chinese_chars": True},
         {"lowercase": True, "strip_accents": False, "tokenize_chinese_chars": False},
         {"lowercase": False, "strip_accents": True, "tokenize_chinese_chars": True}]

SENTENCES = ["the cat [MASK] on a mat.", "[MASK]", "Nobody [MASK] it, it's [MASK]", "[PAD] [MASK] over [UNK] Zebras [CLS] hills"]
PAIRS = [["the cat sat on a mat.", "it minded nobody."], ["rain fell", "an old owl, an old cat"], ["the", "owl"]]


def write_json(path, **values):
    path.write_text(json.dumps({**MADE, **values}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_model(folder):
    config = bert_config("tiny", hidden_size=16, num_attention_heads=2, intermediate_size=24,
                         vocab_size=len(SPECIAL_TOKENS + WORDS), max_position_embeddings=32, initializer_range=0.15)
    make_model(config).save_pretrained(folder / "bert")
    vocab = {token: number for number, token in enumerate(SPECIAL_TOKENS + WORDS)}
    transformers.BertTokenizer(vocab=vocab, model_max_length=32).save_pretrained(folder / "bert")


def write_scores(folder):
    config = transformers.BertConfig.from_pretrained(folder / "bert")
    batch = make_batch(config, [20, 3, 32, 1])
    assert (batch["labels"][:3] != -100).any(1).tolist() == [True, False, True]
    save_file({name: np.ascontiguousarray(values) for name, values in batch.items()}, folder / "batch.safetensors")
    for activation in ("gelu", "gelu_new", "relu"):
        model = transformers.BertForPreTraining.from_pretrained(folder / "bert", hidden_act=activation)
        score = torch_score(model.eval(), batch)
        save_file({name: np.ascontiguousarray(np.atleast_1d(values)) for name, values in score.items()},
                  folder / f"score-{activation}.safetensors", metadata=MADE)


def write_answers(folder):
    peer = transformers.pipeline("fill-mask", model=str(folder / "bert"), tokenizer=str(folder / "bert"))
    answers = []
    for sentence in SENTENCES:
        best = peer(sentence, top_k=5)
        answers.append({"text": sentence, "masks": best if isinstance(best[0], list) else [best]})
    write_json(folder / "fill.json", answers=answers)

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "bert")
    model = transformers.BertForNextSentencePrediction.from_pretrained(folder / "bert").eval()
    with torch.no_grad():
        write_json(folder / "nsp.json", answers=[
            {"pair": pair, "is_next": model(**tokenizer(*pair, return_tensors="pt")).logits.softmax(-1)[0, 0].item()}
            for pair in PAIRS])


def write_text(path):
    words = "the cat sat on a mat while rain fell over green hills and nobody minded it old owls".split()
    path.write_text("".join(
        "".join(" ".join(words[(i * 7 + j * 3 + k * (i + 1)) % len(words)] for k in range(4 + (i + j) % 5)) + ".\n"
                for j in range(6)) + "\n" for i in range(24)))


def write_training(folder, cloze):
    write_text(folder / "text.txt")
    with tempfile.TemporaryDirectory() as scratch:
        config = write_config(
            pathlib.Path(scratch), train=TRAINING["train"],
            model={**TRAINING["model"], "init_from": folder / "bert"},
            data={**TRAINING["data"], "train": [folder / "text.txt"]})
        checkpoints, _ = train(cloze, config)
        steps = TRAINING["train"]["steps"]
        losses = torch_train(checkpoints / "step-00000000", steps, batches(cloze, config, steps),
                             TRAINING["train"]["learning_rate"], TRAINING["train"]["warmup_steps"])
    write_json(folder / "training.json", config=TRAINING, losses=[loss for loss, _ in losses])


def write_tokenizer(folder):
    """Every character of the texts in its forms under the flags, bare and continued, so that little is [UNK]."""
    forms = set()
    for flags in FLAGS:
        normalizer = bert_normalizer(flags)
        forms |= {character for text in TEXTS for character in normalizer.normalize_str(text) if not character.isspace()}
    tokens = list(SPECIAL_TOKENS) + sorted(forms) + ["##" + form for form in sorted(forms)] + ["the", "cat", "##ts", "caf"]
    vocab = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(
        vocab, unk_token="[UNK]", max_input_chars_per_word=100, continuing_subword_prefix="##"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    cases = []
    for flags in FLAGS:
        tokenizer.normalizer = bert_normalizer(flags)
        cases.append({**flags, "ids": [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]})
    (folder / "tokenizer.json").write_text(
        json.dumps({**MADE, "vocab": list(vocab), "texts": TEXTS, "cases": cases}) + "\n")


def bert_normalizer(flags):
    return tokenizers.normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=flags["tokenize_chinese_chars"], strip_accents=flags["strip_accents"],
        lowercase=flags["lowercase"])


def make(folder, cloze):
    torch.set_num_threads(1)
    folder.mkdir(exist_ok=True)
    write_model(folder)
    write_scores(folder)
    write_answers(folder)
    write_training(folder, cloze)
    write_tokenizer(folder)


def write_characters(folder):
    (folder / "characters.json").write_text(json.dumps({**MADE, **test_tokenizer.golden_checksums()}) + "\n")


if __name__ == "__main__":
    write_characters(FOLDER)
    make(FOLDER, pathlib.Path(os.environ.get("CLOZE", ROOT / "build" / "cloze")))
