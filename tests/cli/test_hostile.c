/* Configurations, texts and vocabularies that nobody should trust, given to the program. */
#include "support/compressed.h"
#include "support/hostile.h"
#include "support/run_config_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL "model: {size: tiny, num_hidden_layers: 1}\n"

/* ---- what the rows are made of ---- */

static void make_link_cycle(const char *name)
{
    assert_int_equal(symlink(name, "other"), 0);
    assert_int_equal(symlink("other", name), 0);
}

/* Zeros that take no place on the disk. */
static void make_sparse(const char *name, off_t size)
{
    int file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, size), 0);
    close(file);
}

/* A configuration that trains on one file with a vocabulary of a and b. */
static void write_run(const char *data)
{
    char text[500];
    write_vocabulary();
    snprintf(text, sizeof text,
             "output: run\n" SMALL "tokenizer: {vocab: vocab.txt}\n" TRAIN_ONE_STEP "data: {%s}\n",
             data);
    write_text("run.yaml", text);
}

static void packed(const char *change)
{
    struct scratch here = {.directory = "."};
    write_compressed(&here, "text.gz", 0, "a b\n\nb a\n", 9);
    write_run("train: [text.gz]");
    assert_int_equal(system(change), 0);
}

/* ---- configurations ---- */

static void config_fifo(void)
{
    make_fifo("run.yaml");
}

static void config_directory(void)
{
    make_directory("run.yaml");
}

static void config_cycle(void)
{
    make_link_cycle("run.yaml");
}

static void huge_config_file(void)
{
    make_sparse("run.yaml", (off_t)5 << 30);
}

/* Terabytes: refused before the text is looked at. */
static void huge_run(void)
{
    write_run("train: [text]");
    write_text("text", "a\n\nb\n");
}

/* ---- texts ---- */

static void empty_corpus(void)
{
    write_text("text", "");
    write_run("train: [text]");
}

static void blank_corpus(void)
{
    write_text("text", " \n\t\n\r\n");
    write_run("train: [text]");
}

static void one_document(void)
{
    write_text("text", "a b a.\nb a b.\n");
    write_run("train: [text], valid_fraction: 0, seq_len: 16");
}

/* Pairs need two documents, in evaluation as in training. */
static void one_held_out_document(void)
{
    write_text("text", "a b a.\n\nb a b.\n");
    write_text("held", "a b b.\n");
    write_run("train: [text], valid: [held], seq_len: 16");
}

static void one_sentence(void)
{
    write_text("text", "a b a b");
    write_run("train: [text], valid_fraction: 0, seq_len: 16");
}

static void one_token(void)
{
    write_text("text", "a");
    write_run("train: [text], valid_fraction: 0, seq_len: 16, nsp: false");
}

static void unknown_text(void)
{
    write_text("text", "\xE6\x97\xA5\xE6\x9C\xAC\n\n\xE8\xAA\x9E\n");
    write_run("train: [text], valid_fraction: 0");
}

static void corpus_fifo(void)
{
    make_fifo("text");
    write_run("train: [text]");
}

static void corpus_directory(void)
{
    make_directory("text");
    write_run("train: [text]");
}

static void corpus_cycle(void)
{
    make_link_cycle("text");
    write_run("train: [text]");
}

static void endless_zeros(void)
{
    make_sparse("text", (off_t)1 << 30);
    write_run("train: [text]");
}

/* 100 MB. */
static void endless_line(void)
{
    assert_int_equal(system("yes | head -c 200M | tr -d '\\n' > text"), 0);
    write_run("train: [text]");
}

static void endless_record(void)
{
    assert_int_equal(
        system("(printf '{\"text\": \"'; yes | head -c 200M | tr -d '\\n') > text.jsonl"), 0);
    write_run("train: [text.jsonl]");
}

/* A line of 100 MB in 10 KB, as a bomb would come. */
static void endless_packed_line(void)
{
    assert_int_equal(system("yes | head -c 200M | tr -d '\\n' | zstd -q -1 > text.zst"), 0);
    write_run("train: [text.zst]");
}

static void cut_gzip(void)
{
    packed("truncate -s -4 text.gz");
}

/* The checksum is in the eight bytes at the end. */
static void wrong_gzip_checksum(void)
{
    packed("size=$(stat -c %s text.gz) && printf xxxx | dd of=text.gz bs=1 seek=$((size - 8)) "
           "conv=notrunc 2>/dev/null");
}

static void record_without_text(void)
{
    write_text("text.jsonl", "{\"text\": \"a\"}\n{\"body\": \"b\"}\n");
    write_run("train: [text.jsonl]");
}

static void not_utf8(void)
{
    write_text("text", "a b\na \xE4 b\n");
    write_run("train: [text], strict: true");
}

static void utf16(void)
{
    write_text("text", "\xFF\xFE"
                       "a");
    write_run("train: [text]");
}

/* tokenize reads its text once, so a FIFO will do; but it must not wait without a word. */
static void tokenize_fifo(void)
{
    write_vocabulary();
    make_fifo("text");
    assert_int_equal(system("(sleep 0.1; echo a b > text) &"), 0);
}

/* Other commands that read a text once take one that is no file from the standard input alone. */
static void filter_fifo(void)
{
    make_fifo("text");
}

/* ---- vocabularies ---- */

static void huge_vocabulary(void)
{
    make_sparse("vocab.txt", (off_t)5 << 30);
}

static void no_mask(void)
{
    write_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
}

static void token_twice(void)
{
    write_text("vocab.txt", SPECIAL_TOKENS "a\nb\na\n");
}

static void vocabulary_fifo(void)
{
    make_fifo("vocab.txt");
}

static void vocabulary_directory(void)
{
    make_directory("vocab.txt"); /* then it is a model directory, without a tokenizer */
}

/* ---- the table ---- */

#define TRAINS                                                                                     \
    {                                                                                              \
        "train", "run.yaml"                                                                        \
    }
#define READS                                                                                      \
    {                                                                                              \
        "tokenize", "--vocab", "vocab.txt", "text"                                                 \
    }
#define TOKENS                                                                                     \
    {                                                                                              \
        "tokenize", "--vocab", "vocab.txt", "/dev/null"                                            \
    }

static const struct hostile_row rows[] = {
    {config_fifo, TRAINS, 2, "run.yaml: is a FIFO; expected a regular file"},
    {config_directory, TRAINS, 2, "run.yaml: is a directory; expected a configuration"},
    {config_cycle, TRAINS, 2, "run.yaml: cannot open: Too many levels of symbolic links"},
    {huge_config_file, TRAINS, 2, "run.yaml: holds 5368709120 bytes; expected at most 268435456"},
    {huge_run,
     {"train", "run.yaml", "--set", "model.hidden_size=16384", "--set",
      "model.num_hidden_layers=4096"},
     2,
     "A smaller model.size, train.micro_batch_size, train.batch_size or data.seq_len needs less"},

    {empty_corpus, TRAINS, 2, "there is no text in "},
    {blank_corpus, TRAINS, 2, "there is no text in "},
    {one_document, TRAINS, 0, "the text is a single document"},
    {one_held_out_document, TRAINS, 0, "the held-out text is a single document"},
    {one_sentence, TRAINS, 0, "the text is a single document"},
    {one_token, TRAINS, 0, "done: step 1"},
    {unknown_text, TRAINS, 2, "all 3 tokens of the text are [UNK]: the vocabulary does not"},
    {corpus_fifo, TRAINS, 2, "/text: is a FIFO; expected a regular file, because it is read"},
    {corpus_directory, TRAINS, 2, "/text: is a directory; expected a file, or "},
    {corpus_cycle, TRAINS, 2, "/text: cannot read: Too many levels of symbolic links"},
    {endless_zeros, TRAINS, 2, "/text: is binary data (100 % of its first 65536 bytes are control"},
    {endless_line, TRAINS, 2, "/text:1: the line is longer than 16 MiB; break it into shorter"},
    {endless_record, TRAINS, 2,
     "/text.jsonl:1: a line of the \"text\" field is longer than 16 MiB"},
    {endless_packed_line, TRAINS, 2, "/text.zst:1: the line is longer than 16 MiB"},
    {cut_gzip, TRAINS, 2, "/text.gz: cannot read past line 3: the gzip data are cut off"},
    {wrong_gzip_checksum, TRAINS, 2,
     "/text.gz: cannot read line 1: the gzip data are damaged: incorrect data check"},
    {record_without_text, TRAINS, 2, "/text.jsonl:2: this JSON object has no \"text\" field"},
    {not_utf8, TRAINS, 2, "/text:2: invalid UTF-8 at byte 3 of the line: 0xE4"},
    {utf16, TRAINS, 2, "/text: is UTF-16 text, not UTF-8 text; convert it: iconv"},
    {endless_line, READS, 2, "text: a line is longer than 16 MiB"},
    {tokenize_fifo, READS, 0, "text: a FIFO: reading what another program writes to it"},
    {filter_fifo,
     {"embed", "model", "text", "--output", "x.npy"},
     2,
     "text: is a FIFO; expected a regular file; give it to the standard input"},
    {filter_fifo,
     {"predict", "model", "text"},
     2,
     "text: is a FIFO; expected a regular file; give it to the standard input"},
    {filter_fifo,
     {"predict", "model", "text", "--output", "x.tsv"},
     2,
     "text: is a FIFO; expected a regular file; give it to the standard input"},

    {huge_vocabulary, TOKENS, 2, "vocab.txt: holds 5368709120 bytes; expected at most 1073741824"},
    {no_mask, TOKENS, 2, "vocab.txt: the special token [MASK] is not among its 5 tokens"},
    {token_twice, TOKENS, 0, "vocab.txt: from id 7 on: ids without a token: 0, repeated tokens: 1"},
    {vocabulary_fifo, TOKENS, 2, "vocab.txt: is a FIFO; expected a regular file"},
    {vocabulary_directory, TOKENS, 2, "vocab.txt: holds neither tokenizer.json nor vocab.txt"},
};

static void hostile_files_are_named(void **state)
{
    (void)state;
    assert_hostile_rows(rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_files_are_named, run_config_enter_directory,
                                        run_config_leave_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
