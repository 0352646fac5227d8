"""cloze's tokenizer against Hugging Face tokenizers: the same ids for everything.

Every Unicode scalar value but U+000A is tried (it ends a line of `cloze tokenize`;
tests/text/test_normalizer.c has it), alone, within a word and between spaces. cloze follows
Unicode 15.0 (utf8proc 2.8). The oracle mixes versions: categories of Unicode 8, decompositions
older than Unicode 13, lower case of Unicode 16 or later. NEWER below lists every code point that
they disagree on, with the reason, and the tests fail on one more and on one less.
"""

import array
import json
import pathlib
import random
import subprocess
import unicodedata
import zlib

import pytest
import tokenizers
import transformers

from reference import lines_of, train, write_config

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
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


def test_the_reasons_hold(measured):
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
    for reason, found in NEWER.items():
        measured(f"listed, {reason}", len(found), "listed")


def set_normalizer(tokenizer, lowercase, strip_accents=None, chinese=True):
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=strip_accents, lowercase=lowercase)


def oracle(vocab, lowercase):
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(
        vocab, unk_token="[UNK]", max_input_chars_per_word=100, continuing_subword_prefix="##"))
    set_normalizer(tokenizer, lowercase)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    return tokenizer


def read_vocabulary(path):
    tokens = path.read_bytes().decode("utf-8").split("\n")[:-1]
    return {token: number for number, token in enumerate(tokens)}


def oracle_ids_of(tokenizer, lines, batch=5000):
    ids = []
    for start in range(0, len(lines), batch):
        ids += [encoding.ids for encoding in tokenizer.encode_batch(lines[start:start + batch], add_special_tokens=False)]
    return ids


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
    theirs = oracle_ids_of(tokenizer, lines)
    return [number for number, (a, b) in enumerate(zip(ours, theirs)) if a != b]


def scalar_values():
    return [chr(code_point) for code_point in range(0x110000)
            if not 0xD800 <= code_point < 0xE000 and code_point != 0x0A]


def full_alphabet():
    """A vocabulary of every character, bare and with ##, where no difference can hide behind an [UNK]."""
    tokens = list(SPECIAL_TOKENS)
    for character in scalar_values():
        if character not in "\0\r":
            tokens += [character, "##" + character]
    return {token: number for number, token in enumerate(tokens)}


@pytest.fixture(scope="module")
def characters():
    return scalar_values()


@pytest.fixture(scope="module")
def alphabet():
    """The full alphabet and its oracle."""
    vocab = full_alphabet()
    return vocab, oracle(vocab, True)


def in_contexts(characters):
    return [f"{c} . a{c}b . a {c} b" for c in characters]


def model_directory(directory, vocab, lowercase, strip_accents, chinese):
    (directory / "vocab.txt").write_bytes("".join(token + "\n" for token in vocab).encode("utf-8"))
    (directory / "tokenizer_config.json").write_text(json.dumps(
        {"do_lower_case": lowercase, "strip_accents": strip_accents,
         "tokenize_chinese_chars": chinese}))
    return directory


def packed(characters):
    """Their contexts, those of PACKED characters a line."""
    contexts = in_contexts(characters)
    return [" ".join(contexts[start:start + PACKED]) for start in range(0, len(contexts), PACKED)]


PACKED, LINES_A_BLOCK = 32, 128


def listed_lines(characters):
    """The numbers of the packed lines that hold a code point of NEWER."""
    listed = set().union(*NEWER.values())
    return sorted({number // PACKED for number, c in enumerate(characters) if ord(c) in listed})


def checksums(ids, without):
    """The CRC-32 of the ids of each LINES_A_BLOCK lines as 32-bit numbers, -1 behind each line, some lines left out."""
    sums, left_out = [0] * -(-len(ids) // LINES_A_BLOCK), set(without)
    for number, line in enumerate(ids):
        if number not in left_out:
            block = number // LINES_A_BLOCK
            sums[block] = zlib.crc32(array.array("i", [*line, -1]).tobytes(), sums[block])
    return sums


def golden_checksums():
    """What tests/golden/characters.json holds (make_golden.py), for tests/text/test_golden_characters.c."""
    vocab, characters = full_alphabet(), scalar_values()
    tokenizer, left_out = oracle(vocab, True), listed_lines(characters)
    sums = []
    for lowercase in (True, False):
        set_normalizer(tokenizer, lowercase)
        sums.append(checksums(oracle_ids_of(tokenizer, packed(characters)), left_out))
    return {"listed_lines": left_out, "crc32": sums}


@pytest.mark.parametrize("lowercase, strip_accents, chinese",
                         [(True, None, True), (False, None, True),
                          (True, False, False), (False, True, True)])
def test_every_character_with_a_full_alphabet(cloze, tmp_path, characters, alphabet, lowercase,
                                              strip_accents, chinese, measured):
    vocab, tokenizer = alphabet
    set_normalizer(tokenizer, lowercase, strip_accents, chinese)
    vocabulary = ["--vocab", model_directory(tmp_path, vocab, lowercase, strip_accents, chinese)]
    lines = packed(characters)
    ours, theirs = cloze_ids(cloze, tmp_path, lines, *vocabulary), oracle_ids_of(tokenizer, lines)
    suspects = [c for number in range(len(lines)) if ours[number] != theirs[number]
                for c in characters[PACKED * number:PACKED * (number + 1)]]
    found = {ord(suspects[number])
             for number in differing(cloze, tmp_path, tokenizer, in_contexts(suspects), *vocabulary)}
    strips = lowercase if strip_accents is None else strip_accents
    expected = disagreements(lowercase, strips)
    measured("every scalar value in three contexts, a vocabulary of all: differences that are not listed",
             len(found ^ expected), "0")
    assert found == expected
    if strip_accents is None:
        golden = json.loads((GOLDEN / "characters.json").read_text())
        assert golden["listed_lines"] == listed_lines(characters)
        assert golden["crc32"][0 if lowercase else 1] == checksums(theirs, golden["listed_lines"])


@pytest.fixture(scope="module", params=[(name, lowercase) for name in VOCABULARIES for lowercase in (True, False)],
                ids=lambda param: f"{param[0]}-{'lower' if param[1] else 'as-is'}")
def published(request, cloze, shared, tmp_path_factory):
    """A published vocabulary, its file, whether it lowercases, and the checkpoint that cloze writes with it."""
    name, lowercase = request.param
    path = shared / "vocab" / f"bert-base-{name}.txt"
    folder = tmp_path_factory.mktemp("published")
    return path, lowercase, write_checkpoint(cloze, folder, vocab=path, lowercase=lowercase)


def write_checkpoint(cloze, folder, **tokenizer):
    """The files of a tokenizer as cloze writes them: in the checkpoint of a run."""
    (folder / "text.txt").write_text("A cat sat.\nIt slept.\nRain fell.\n\n" * 9)
    config = write_config(
        folder,
        model={"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8},
        tokenizer=tokenizer, data={"train": ["text.txt"], "seq_len": 16, "valid_fraction": 0, "sentences": "line"},
        train={"steps": 1, "batch_size": 1})
    return train(cloze, config)[0] / "latest"


def test_every_character_with_published_vocabularies(cloze, published, tmp_path, characters, measured):
    """The oracle is the tokenizer.json that cloze wrote; the next test has what that is."""
    path, lowercase, checkpoint = published
    apart = disagreements(lowercase, lowercase)
    lines = packed([c for c in characters if ord(c) not in apart])
    oracle = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    found = differing(cloze, tmp_path, oracle, lines, "--vocab", path, *([] if lowercase else ["--cased"]))
    measured("every other scalar value in three contexts, published vocabularies, cased and uncased: differences",
             len(found), "0")
    assert [lines[number] for number in found] == []


def written_tokenizers(checkpoint):
    """tokenizer.json of a checkpoint as `tokenizers` and as transformers load it: (name, backend, lines -> ids)."""
    plain = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    auto = transformers.AutoTokenizer.from_pretrained(checkpoint)
    yield "tokenizers", plain, lambda lines: oracle_ids_of(plain, lines)
    yield "AutoTokenizer", auto.backend_tokenizer, (
        lambda lines: auto(lines, add_special_tokens=False, verbose=False)["input_ids"])


def test_written_tokenizers_are_the_oracle(cloze, shared, published, tmp_path, measured):
    """Part by part what `tokenizers` makes of the published vocabulary; and the ids of the texts."""
    path, lowercase, checkpoint = published
    whole = json.loads(oracle(read_vocabulary(path), lowercase).to_str())
    lines = text_lines(shared, 2000)
    expected = cloze_ids(cloze, tmp_path, lines, "--vocab", checkpoint)
    for name, backend, ids in written_tokenizers(checkpoint):
        written = json.loads(backend.to_str())
        for part in ("normalizer", "pre_tokenizer", "model"):
            assert written[part] == whole[part], (name, part)
        by_id = [sorted(state["added_tokens"], key=lambda token: token["id"]) for state in (written, whole)]
        assert by_id[0] == by_id[1]
        found = [line for line, ours, theirs in zip(lines, expected, ids(lines), strict=True) if ours != theirs]
        measured(f"tokenizer.json that cloze writes, loaded by {name}: lines of the texts that differ", len(found), "0")
        assert found == []


@pytest.mark.parametrize("options", [{}, {"lowercase": False}, {"strip_accents": False},
                                     {"lowercase": False, "strip_accents": True}, {"tokenize_chinese_chars": False}])
def test_written_flags_are_honoured(cloze, shared, tmp_path, options):
    checkpoint = write_checkpoint(cloze, tmp_path, vocab=shared / "vocab/bert-base-multilingual-cased.txt", **options)
    expected = cloze_ids(cloze, tmp_path, FLAGGED, "--vocab", checkpoint)
    for name, _, ids in written_tokenizers(checkpoint):
        assert ids(FLAGGED) == expected, name
    auto = transformers.AutoTokenizer.from_pretrained(checkpoint)
    assert type(auto) is transformers.BertTokenizer and auto.model_max_length == 16
    assert (auto.do_lower_case, auto.strip_accents, auto.tokenize_chinese_chars) == (
        options.get("lowercase", True), options.get("strip_accents"), options.get("tokenize_chinese_chars", True))


def test_written_tokenizers_build_pairs(cloze, shared, published):
    """[CLS] A [SEP] B [SEP], types, and back to text: what the tokenizer of transformers itself does."""
    path, lowercase, checkpoint = published
    peer = transformers.BertTokenizer(vocab=str(path), do_lower_case=lowercase)
    written = transformers.AutoTokenizer.from_pretrained(checkpoint)
    for pair in [("A cat sat.",), ("A cat's", "don't [MASK] it, 中国 naïve")]:
        assert dict(written(*pair)) == dict(peer(*pair))
        assert written.decode(written(*pair)["input_ids"]) == peer.decode(peer(*pair)["input_ids"])
    plain = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    assert plain.encode("A cat", "sat").ids == peer("A cat", "sat")["input_ids"]
    assert plain.encode("A cat", "sat").type_ids == peer("A cat", "sat")["token_type_ids"]
    assert written.mask_token_id == peer.mask_token_id and written.pad_token_id == peer.pad_token_id


# Combining marks that survive the stripping of accents, of every combining class that such marks
# have in both Unicode versions; marks that are stripped, starters among them; characters that
# vanish before decomposition; the rest.
KEPT_MARKS = ("\u1b44\u1baa\u1bf2\u302e\u302f\ua953\ua9c0\U000111c0\U00011235\U0001d165\U0001d166"
              "\U0001d16d\U0001d16e")
STRIPPED = ("\u0301\u0327\u034f\u05b0\u064b\u094d\u093c\u0c48\u0cc0\u1b3b\u0344\u0340\u09c7"
            "\U0001d15e\U0001d1bb")
VANISHING = "\u200d\u00ad\ue000\ufffd\u0001" * 4 + "\u0000"  # text with more zeros than that is binary data
OTHERS = "aB .[中가豈ÉéİßΣςΩ\u2260\u212a\u01c5\ufb01\u037e\u2000\u3000\u0085"


@pytest.mark.parametrize("lowercase", [True, False])
def test_runs_of_combining_marks(cloze, tmp_path, alphabet, lowercase):
    generator = random.Random(1)
    groups = [KEPT_MARKS, KEPT_MARKS, STRIPPED, VANISHING, OTHERS]
    lines = ["".join(generator.choice(generator.choice(groups))
                     for _ in range(generator.randrange(1, 14))) for _ in range(100000)]
    vocab, tokenizer = alphabet
    set_normalizer(tokenizer, lowercase, strip_accents=True)
    directory = model_directory(tmp_path, vocab, lowercase, True, True)
    found = differing(cloze, tmp_path, tokenizer, lines, "--vocab", directory)
    assert [lines[number] for number in found] == []


def text_lines(shared, count):
    """All files of the tokenization data, and the first lines of the corpus."""
    folder = shared / "tokenization"
    golden = (folder / "hf_golden_uncased.jsonl").read_text("utf-8").splitlines()
    texts = [value for record in map(json.loads, golden) for value in record.values() if isinstance(value, str)]
    texts.append((folder / "ggml-vocab-bert-bge.gguf.inp").read_bytes().decode("utf-8"))
    texts += [path.read_bytes().decode("utf-8") for path in sorted((folder / "udhr").glob("*.txt"))]
    return [line for text in texts for line in text.split("\n")] + lines_of(shared / "corpus/enwiki2018.txt.gz", count)


def test_texts(cloze, shared, tmp_path, published, measured):
    path, lowercase, _ = published
    lines = text_lines(shared, 20000)
    found = differing(cloze, tmp_path, oracle(read_vocabulary(path), lowercase), lines, "--vocab", path,
                      *([] if lowercase else ["--cased"]))
    measured(f"{len(lines):,} lines of data/tokenization and the corpus, published vocabularies, cased and uncased: "
             "lines that differ", len(found), "0")
    assert [lines[number] for number in found] == []


def test_recorded_ids(cloze, shared, tmp_path, measured):
    """The ids that the two golden files themselves record, of tokenizers and of llama.cpp."""
    folder = shared / "tokenization"
    texts, expected = [], []
    for record in map(json.loads, (folder / "hf_golden_uncased.jsonl").read_text("utf-8").splitlines()):
        pair = [record["text"], record["pair"]] if "pair" in record else [record["text"]]
        texts.append("[CLS] " * (len(pair) - 1) + " [SEP] ".join(pair) + " [SEP]" * (len(pair) - 1))
        expected.append(record["ids"] if len(pair) == 2 else record["ids_no_specials"])
    inputs = (folder / "ggml-vocab-bert-bge.gguf.inp").read_bytes().decode("utf-8").split("\n__ggml_vocab_test__\n")
    outputs = (folder / "ggml-vocab-bert-bge.gguf.out").read_text().split("\n")
    for text, output in zip(inputs, outputs, strict=True):
        texts.append(text)
        expected.append([int(number) for number in output.split()])
    # A line of `cloze tokenize` is a text: line ends become the spaces that they count as.
    found = cloze_ids(cloze, tmp_path, [text.replace("\n", " ") for text in texts],
                      "--vocab", shared / "vocab/bert-base-uncased.txt")
    different = [text for text, a, b in zip(texts, found, expected) if a != b]
    measured(f"{len(texts)} texts of the recorded golden files: differences", len(different), "0")
    assert different == []


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


FLAGGED = ["Él é un 中国 café, İstanbul ΟΔΟΣ straße [MASK]", "naïve 東京 Zürich"]


@pytest.mark.parametrize("files", ["tokenizer.json and tokenizer_config.json", "tokenizer.json",
                                   "vocab.txt and tokenizer_config.json"])
@pytest.mark.parametrize("options", [{}, {"do_lower_case": False}, {"strip_accents": False},
                                     {"do_lower_case": False, "strip_accents": True},
                                     {"tokenize_chinese_chars": False}], ids=str)
def test_directories_of_transformers(cloze, shared, tmp_path, options, files):
    """What save_pretrained writes is read with its settings, and so is what older versions wrote."""
    path = shared / "vocab/bert-base-multilingual-cased.txt"
    tokenizer = transformers.BertTokenizer(vocab=str(path), **options)
    tokenizer.save_pretrained(tmp_path)
    if "vocab.txt" in files:
        (tmp_path / "vocab.txt").write_bytes(path.read_bytes())
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if name not in files:
            (tmp_path / name).unlink()
    expected = [tokenizer(line, add_special_tokens=False)["input_ids"] for line in FLAGGED]
    assert cloze_ids(cloze, tmp_path, FLAGGED, "--vocab", tmp_path) == expected


def test_the_configuration_comes_before_tokenizer_json(cloze, shared, tmp_path):
    """As in AutoTokenizer, where the two disagree."""
    transformers.BertTokenizer(vocab=str(shared / "vocab/bert-base-cased.txt"), do_lower_case=True).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**config, "do_lower_case": False}))
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path)
    expected = auto(FLAGGED, add_special_tokens=False)["input_ids"]
    assert cloze_ids(cloze, tmp_path, FLAGGED, "--vocab", tmp_path) == expected
