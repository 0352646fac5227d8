"""cloze's tokenizer against Hugging Face tokenizers: the same ids for everything.

Every Unicode scalar value but U+000A is tried (it ends a line of `cloze tokenize`;
tests/text/test_normalizer.c has it), alone, within a word and between spaces. cloze follows
Unicode 15.0 (utf8proc 2.8). The oracle mixes versions: categories of Unicode 8, decompositions
older than Unicode 13, lower case of Unicode 16 or later. NEWER below lists every code point that
they disagree on, with the reason, and the tests fail on one more and on one less.
"""

import gzip
import json
import random
import subprocess
import unicodedata

import pytest

tokenizers = pytest.importorskip("tokenizers")

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARIES = ["uncased", "cased", "multilingual-cased", "chinese"]


def code_points(ranges):
    """"A7CB-A7CC A7CE" -> {0xA7CB, 0xA7CC, 0xA7CE}"""
    found = set()
    for part in ranges.split():
        first, _, last = part.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return found


# Reason -> the code points that cloze and the oracle treat differently for it.
NEWER = {
    "punctuation since Unicode 9 or later": code_points(
        "61D 9FD A76 C77 C84 1B7D-1B7E 2E43-2E4F 2E52-2E5D 10EAD 10F55-10F59 10F86-10F89"
        " 1144B-1144F 1145A-1145B 1145D 11660-1166C 116B9 1183B 11944-11946 119E2 11A3F-11A46"
        " 11A9A-11A9C 11A9E-11AA2 11B00-11B09 11C41-11C45 11C70-11C71 11EF7-11EF8 11F43-11F4F"
        " 11FFF 12FF1-12FF2 16E97-16E9A 16FE2 1E95E-1E95F"),
    "format control since Unicode 9 or later": code_points("890-891 8E2 110CD 13430-1343F"),
    "nonspacing mark since Unicode 9 or later": code_points(
        "7FD 898-89F 8CA-8E1 9FE AFA-AFF B55 C04 C3C D00 D3B-D3C D81 EBA ECE 180F 1885-1886"
        " 1ABF-1ACE 1DF6-1DFB A82C A8C5 A8FF A9BD 10D24-10D27 10EAB-10EAC 10EFD-10EFF"
        " 10F46-10F50 10F82-10F85 11070 11073-11074 110C2 111CF 1123E 11241 1133B 11438-1143F"
        " 11442-11444 11446 1145E 1182F-11837 11839-1183A 1193B-1193C 1193E 11943 119D4-119D7"
        " 119DA-119DB 119E0 11A01-11A0A 11A33-11A38 11A3B-11A3E 11A47 11A51-11A56 11A59-11A5B"
        " 11A8A-11A96 11A98-11A99 11C30-11C36 11C38-11C3D 11C3F 11C92-11CA7 11CAA-11CB0"
        " 11CB2-11CB3 11CB5-11CB6 11D31-11D36 11D3A 11D3C-11D3D 11D3F-11D45 11D47 11D90-11D91"
        " 11D95 11D97 11EF3-11EF4 11F00-11F01 11F36-11F3A 11F40 11F42 13440 13447-13455 16F4F"
        " 16FE4 1CF00-1CF2D 1CF30-1CF46 1E000-1E006 1E008-1E018 1E01B-1E021 1E023-1E024"
        " 1E026-1E02A 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF 1E944-1E94A"),
    "nonspacing mark until Unicode 13": code_points("1734"),
    "punctuation until Unicode 10, then nonspacing mark": code_points("111C9"),
    "punctuation until Unicode 11": code_points("166D"),
    "decomposes since Unicode 13": code_points("11938"),
    "capital letter since Unicode 16 or later": code_points(
        "1C89 A7CB-A7CC A7CE A7D2 A7D4 A7DA A7DC 10D50-10D65 16EA0-16EB8"),
}

# What a category change needs to become visible.
NEEDS_STRIP_ACCENTS = {"nonspacing mark since Unicode 9 or later",
                       "nonspacing mark until Unicode 13", "decomposes since Unicode 13"}
NEEDS_LOWERCASE = {"capital letter since Unicode 16 or later"}


def disagreements(lowercase, strip_accents):
    return set().union(*(found for reason, found in NEWER.items()
                         if (strip_accents or reason not in NEEDS_STRIP_ACCENTS)
                         and (lowercase or reason not in NEEDS_LOWERCASE)))


def test_the_reasons_hold():
    """Each listed code point has the category that its reason says; the oracle knows it not."""
    normalize = tokenizers.normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=False, strip_accents=True,
        lowercase=False).normalize_str
    split = tokenizers.pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    for reason, category in [("punctuation since Unicode 9 or later", "P"),
                             ("format control since Unicode 9 or later", "Cf"),
                             ("nonspacing mark since Unicode 9 or later", "Mn")]:
        for code_point in NEWER[reason]:
            character = chr(code_point)
            # Unicode 15 is newer than some Pythons.
            assert unicodedata.category(character).startswith((category, "Cn")), hex(code_point)
            assert normalize(character) == character, hex(code_point)
            assert len(split(f"a{character}b")) == 1, hex(code_point)
    for code_point in NEWER["capital letter since Unicode 16 or later"]:
        assert unicodedata.category(chr(code_point)) in ("Cn", "Lu"), hex(code_point)


def oracle(vocab, lowercase, strip_accents=None, chinese=True):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(
        vocab, unk_token="[UNK]", max_input_chars_per_word=100, continuing_subword_prefix="##"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=strip_accents,
        lowercase=lowercase)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    return tokenizer


def read_vocabulary(path):
    tokens = path.read_bytes().decode("utf-8").split("\n")[:-1]
    return {token: number for number, token in enumerate(tokens)}


def oracle_ids(tokenizer, lines, batch=5000):
    for start in range(0, len(lines), batch):
        encodings = tokenizer.encode_batch(lines[start:start + batch], add_special_tokens=False)
        yield from (encoding.ids for encoding in encodings)


def cloze_ids(cloze, directory, lines, *arguments):
    path = directory / "lines.txt"
    path.write_bytes("".join(line + "\n" for line in lines).encode("utf-8"))
    command = [cloze, "tokenize", "--ids", *arguments, path]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode("ascii")
    ids = [[int(number) for number in line.split()] for line in printed.split("\n")[:-1]]
    assert len(ids) == len(lines)
    return ids


def differing(cloze, directory, tokenizer, lines, *arguments):
    """The numbers of the lines whose ids differ."""
    ours = cloze_ids(cloze, directory, lines, *arguments)
    theirs = oracle_ids(tokenizer, lines)
    return [number for number, (a, b) in enumerate(zip(ours, theirs)) if a != b]


@pytest.fixture(scope="module")
def characters():
    return [chr(code_point) for code_point in range(0x110000)
            if not 0xD800 <= code_point < 0xE000 and code_point != 0x0A]


@pytest.fixture(scope="module")
def alphabet(characters):
    """A vocabulary of every character, bare and with ##: no difference can hide behind an [UNK]."""
    tokens = list(SPECIAL_TOKENS)
    for character in characters:
        if character not in "\0\r":
            tokens += [character, "##" + character]
    return {token: number for number, token in enumerate(tokens)}


def in_contexts(characters):
    return [f"{c} . a{c}b . a {c} b" for c in characters]


def model_directory(directory, vocab, lowercase, strip_accents, chinese):
    (directory / "vocab.txt").write_bytes("".join(token + "\n" for token in vocab).encode("utf-8"))
    (directory / "tokenizer_config.json").write_text(json.dumps(
        {"do_lower_case": lowercase, "strip_accents": strip_accents,
         "tokenize_chinese_chars": chinese}))
    return directory


@pytest.mark.parametrize("lowercase, strip_accents, chinese",
                         [(True, None, True), (False, None, True),
                          (True, False, False), (False, True, True)])
def test_every_character_with_a_full_alphabet(cloze, tmp_path, characters, alphabet, lowercase,
                                              strip_accents, chinese):
    directory = model_directory(tmp_path, alphabet, lowercase, strip_accents, chinese)
    found = differing(cloze, tmp_path, oracle(alphabet, lowercase, strip_accents, chinese),
                      in_contexts(characters), "--vocab", directory)
    strips = lowercase if strip_accents is None else strip_accents
    assert {ord(characters[number]) for number in found} == disagreements(lowercase, strips)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_character_with_published_vocabularies(cloze, shared, tmp_path, characters, name,
                                                     lowercase):
    path = shared / "vocab" / f"bert-base-{name}.txt"
    cased = [] if lowercase else ["--cased"]
    apart = disagreements(lowercase, lowercase)
    contexts = in_contexts([c for c in characters if ord(c) not in apart])
    lines = [" ".join(contexts[start:start + 32]) for start in range(0, len(contexts), 32)]
    tokenizer = oracle(read_vocabulary(path), lowercase)
    found = differing(cloze, tmp_path, tokenizer, lines, "--vocab", path, *cased)
    assert [lines[number] for number in found] == []


# Combining marks that survive the stripping of accents, of every combining class that such marks
# have in both Unicode versions; marks that are stripped, starters among them; characters that
# vanish before decomposition; the rest.
KEPT_MARKS = ("\u1b44\u1baa\u1bf2\u302e\u302f\ua953\ua9c0\U000111c0\U00011235\U0001d165\U0001d166"
              "\U0001d16d\U0001d16e")
STRIPPED = ("\u0301\u0327\u034f\u05b0\u064b\u094d\u093c\u0c48\u0cc0\u1b3b\u0344\u0340\u09c7"
            "\U0001d15e\U0001d1bb")
VANISHING = "\u200d\u00ad\ue000\ufffd\u0000"
OTHERS = "aB .[中가豈ÉéİßΣςΩ\u2260\u212a\u01c5\ufb01\u037e\u2000\u3000\u0085"


@pytest.mark.parametrize("lowercase", [True, False])
def test_runs_of_combining_marks(cloze, tmp_path, alphabet, lowercase):
    generator = random.Random(1)
    groups = [KEPT_MARKS, KEPT_MARKS, STRIPPED, VANISHING, OTHERS]
    lines = ["".join(generator.choice(generator.choice(groups))
                     for _ in range(generator.randrange(1, 14))) for _ in range(100000)]
    directory = model_directory(tmp_path, alphabet, lowercase, True, True)
    tokenizer = oracle(alphabet, lowercase, True)
    found = differing(cloze, tmp_path, tokenizer, lines, "--vocab", directory)
    assert [lines[number] for number in found] == []


def corpus_lines(shared, count):
    path = shared / "corpus" / "enwiki2018.txt.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as corpus:
        return [line.rstrip("\n") for line, _ in zip(corpus, range(count))]


def text_lines(shared):
    folder = shared / "tokenization"
    golden = (folder / "hf_golden_uncased.jsonl").read_text("utf-8").splitlines()
    lines = [value for record in map(json.loads, golden)
             for value in record.values() if isinstance(value, str)]
    lines += (folder / "ggml-vocab-bert-bge.gguf.inp").read_bytes().decode("utf-8").split("\n")
    for path in sorted((folder / "udhr").glob("*.txt")):
        lines += path.read_bytes().decode("utf-8").split("\n")
    return [line for text in lines for line in text.split("\n")] + corpus_lines(shared, 20000)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("name", VOCABULARIES)
def test_texts(cloze, shared, tmp_path, name, lowercase):
    path = shared / "vocab" / f"bert-base-{name}.txt"
    cased = [] if lowercase else ["--cased"]
    lines = text_lines(shared)
    tokenizer = oracle(read_vocabulary(path), lowercase)
    found = differing(cloze, tmp_path, tokenizer, lines, "--vocab", path, *cased)
    assert [lines[number] for number in found] == []


def test_special_tokens_and_long_words(cloze, shared, tmp_path):
    path = shared / "vocab" / "bert-base-uncased.txt"
    generator = random.Random(2)
    pieces = SPECIAL_TOKENS + [
        "[mask]", "[", "]", "[MASK", "MASK]", "[[MASK]]", "un", "Él", " ", "##", "中", ".", "\u0301",
        "a" * 99, "a" * 100, "é" * 100, "\u0130" * 50, "\u00ad", "가" * 34]
    lines = ["".join(generator.choice(pieces) for _ in range(generator.randrange(1, 9)))
             for _ in range(50000)]
    tokenizer = oracle(read_vocabulary(path), True)
    found = differing(cloze, tmp_path, tokenizer, lines, "--vocab", path)
    assert [lines[number] for number in found] == []


@pytest.mark.parametrize("options", [{}, {"do_lower_case": False}, {"strip_accents": False},
                                     {"do_lower_case": False, "strip_accents": True},
                                     {"tokenize_chinese_chars": False}])
def test_directories_of_transformers(cloze, shared, tmp_path, options):
    """What save_pretrained writes is read with its settings."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.BertTokenizerFast(
        vocab=str(shared / "vocab" / "bert-base-multilingual-cased.txt"), **options)
    tokenizer.save_pretrained(tmp_path)
    lines = ["Él é un 中国 café, İstanbul ΟΔΟΣ straße [MASK]", "naïve 東京 Zürich"]
    expected = [tokenizer(line, add_special_tokens=False)["input_ids"] for line in lines]
    assert cloze_ids(cloze, tmp_path, lines, "--vocab", tmp_path) == expected
