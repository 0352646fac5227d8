"""Encoding text and training vocabularies with others' programs, for scripts/bench: prints the seconds as JSON.

    bench_text.py encode huggingface|blingfire VOCAB FILE THREADS
    bench_text.py vocab FILE SIZE OUTPUT THREADS

Encoding is from lines in memory to ids in memory: reading the file and loading the vocabulary do not count, and nothing
is written, all of which `cloze tokenize` does within its time.
"""

import ctypes
import json
import os
import sys
import time

BATCH_LINES = 1000  # for Hugging Face: fewer idle threads at the end of each, but more memory to find, with larger ones


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")


def encode_huggingface(vocab, path, threads):
    from tokenizers import BertWordPieceTokenizer
    tokenizer = BertWordPieceTokenizer(vocab, lowercase=True)._tokenizer
    lines, total = read_lines(path), 0
    begun = time.monotonic()
    for first in range(0, len(lines), BATCH_LINES):
        encoded = tokenizer.encode_batch_fast(lines[first:first + BATCH_LINES], add_special_tokens=False)
        total += sum(map(len, encoded))
    return time.monotonic() - begun, total


def encode_blingfire(vocab, path, threads):
    """Its model of the uncased vocabulary comes with the package. The library is called without its Python wrapper,
    which copies, and in processes instead of threads, which would wait for the interpreter's lock."""
    import blingfire
    import multiprocessing
    model = blingfire.load_model(os.path.join(os.path.dirname(blingfire.__file__), "bert_base_tok.bin"))
    library, handle = blingfire.blingfire, ctypes.c_void_p(model)
    lines = [line.encode() for line in read_lines(path)]
    longest = max(map(len, lines))

    def encode(part):
        ids, total = (ctypes.c_int32 * (longest + 1))(), 0
        for line in lines[part::threads]:
            total += library.TextToIds(handle, line, len(line), ids, len(ids), 100)
        return total

    totals = multiprocessing.Array(ctypes.c_int64, threads)

    def work(part):
        totals[part] = encode(part)

    workers = [multiprocessing.get_context("fork").Process(target=work, args=(part,)) for part in range(1, threads)]
    begun = time.monotonic()
    for worker in workers:
        worker.start()
    work(0)
    for worker in workers:
        worker.join()
    return time.monotonic() - begun, sum(totals)


def train_huggingface(path, size, output):
    from tokenizers import BertWordPieceTokenizer
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    begun = time.monotonic()
    tokenizer.train([path], vocab_size=size, show_progress=False)
    tokenizer.save_model(output)
    return time.monotonic() - begun


def main():
    threads = sys.argv[-1]
    os.environ["RAYON_NUM_THREADS"] = threads
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if int(threads) > 1 else "false"
    if sys.argv[1] == "encode":
        encode = {"huggingface": encode_huggingface, "blingfire": encode_blingfire}[sys.argv[2]]
        seconds, tokens = encode(sys.argv[3], sys.argv[4], int(threads))
        print(json.dumps({"seconds": seconds, "tokens": tokens}))
    else:
        print(json.dumps({"seconds": train_huggingface(sys.argv[2], int(sys.argv[3]), sys.argv[4])}))


main()
