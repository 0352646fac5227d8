"""Vocabulary training and prepared shards beside Hugging Face's, on the shared corpus."""

import gzip
import struct

import numpy
import pytest
import tokenizers

from reference import lines_of, run


def tokens_and_unknown(vocabulary, lines):
    """Tokens a word, and the share of [UNK] among the tokens."""
    tokenizer = tokenizers.BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    tokens = words = unknown = 0
    for encoding in tokenizer.encode_batch(lines, add_special_tokens=False):
        tokens += len(encoding)
        unknown += encoding.tokens.count("[UNK]")
        words += len(set(encoding.word_ids))
    return tokens / words, unknown / tokens


@pytest.mark.parametrize("size", [8000, 30522])
def test_vocabulary_is_as_good_as_hugging_faces(cloze, shared, tmp_path, size, measured):
    """Trained on the Wikipedia corpus, judged on held-out text of another source; no more than 0.5 % worse."""
    corpus = tmp_path / "corpus.txt"
    corpus.write_bytes(gzip.open(shared / "corpus" / "enwiki2018.txt.gz").read())
    held_out = lines_of(shared / "corpus" / "wikitext2_valid.txt.gz")
    run(cloze, "vocab", "--input", corpus, "--size", size, "--output", tmp_path / "vocab.txt")
    trainer = tokenizers.BertWordPieceTokenizer(lowercase=True)
    trainer.train([str(corpus)], vocab_size=size, show_progress=False)
    trainer.save_model(str(tmp_path), "peer")
    assert len((tmp_path / "vocab.txt").read_text().splitlines()) == size == trainer.get_vocab_size()
    ours, our_unknown = tokens_and_unknown(tmp_path / "vocab.txt", held_out)
    theirs, their_unknown = tokens_and_unknown(tmp_path / "peer-vocab.txt", held_out)
    measured(f"vocabulary of {size:,}: tokens a word on held-out text, cloze", ours, f"{theirs * 1.005:.4f}")
    measured(f"vocabulary of {size:,}: tokens a word, BertWordPieceTrainer", theirs, "")
    measured(f"vocabulary of {size:,}: share of [UNK], cloze", our_unknown, f"{their_unknown * 1.005:.1e}")
    measured(f"vocabulary of {size:,}: share of [UNK], BertWordPieceTrainer", their_unknown, "")
    assert ours <= theirs * 1.005
    assert our_unknown <= their_unknown * 1.005


def read_shard(path):
    """The documents' ids, read after the description in data/dataset.h."""
    data = path.read_bytes()
    magic, _, _, width = struct.unpack_from("<8s3I", data)
    documents, sentences, tokens = struct.unpack_from("<3Q", data, 32)
    assert magic == b"CLZSHARD"
    ids = numpy.frombuffer(data, f"<u{width}", tokens, 128)
    table = 128 + -(-tokens * width // 8) * 8
    sentence_starts = numpy.frombuffer(data, "<u8", sentences + 1, table)
    document_starts = numpy.frombuffer(data, "<u8", documents + 1, table + 8 * (sentences + 1))
    bounds = sentence_starts[document_starts]
    return [ids[first:last].tolist() for first, last in zip(bounds[:-1], bounds[1:])]


@pytest.mark.parametrize("sentences", ["split", "line"])
def test_shards_hold_hugging_faces_ids(cloze, shared, tmp_path, sentences, measured):
    """Wherever sentences end, a document's ids are those of its lines."""
    lines = lines_of(shared / "corpus" / "enwiki2018.txt.gz", 10000)
    vocabulary = shared / "vocab" / "bert-base-uncased.txt"
    (tmp_path / "corpus.txt").write_text("\n".join(lines), encoding="utf-8")
    run(cloze, "prepare", "--input", tmp_path / "corpus.txt", "--vocab", vocabulary,
        "--output", tmp_path / "data", "--sentences", sentences)
    tokenizer = tokenizers.BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    documents = [[]]
    for line, encoding in zip(lines, tokenizer.encode_batch(lines, add_special_tokens=False)):
        if line.strip():
            documents[-1] += encoding.ids
        else:
            documents.append([])
    expected = [ids for ids in documents if ids]
    found = read_shard(tmp_path / "data" / "train-00000.shard")
    measured("shards of 10,000 lines: documents with other ids than those of Hugging Face",
             sum(a != b for a, b in zip(found, expected)) + abs(len(found) - len(expected)), "0")
    assert found == expected
