/* Files that nobody should trust, given to the program: each a row with what the user is told. */
#include "base/file.h"
#include "model/huggingface.h"
#include "support/compressed.h"
#include "support/program.h"
#include "support/run_config_files.h"
#include "text/tokenizer.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SPECIAL "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
#define TRAIN   "train: {steps: 1, batch_size: 1, threads: 1}\n"
#define SMALL   "model: {size: tiny, num_hidden_layers: 1}\n"

enum { MOST_ARGUMENTS = 8 };

/* ---- what the rows are made of ---- */

/* Every test runs in a scratch directory. */
static struct scratch here = {.directory = "."};

static void write_text(const char *name, const char *text)
{
    scratch_write_text(&here, name, text);
}

static void make_fifo(const char *name)
{
    assert_int_equal(mkfifo(name, 0600), 0);
}

static void make_link_cycle(const char *name)
{
    assert_int_equal(symlink(name, "other"), 0);
    assert_int_equal(symlink("other", name), 0);
}

static void make_directory(const char *name)
{
    assert_int_equal(mkdir(name, 0700), 0);
}

/* Zeros that take no place on the disk. */
static void make_sparse(const char *name, off_t size)
{
    int file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, size), 0);
    close(file);
}

static struct model_config small_config(void)
{
    struct error error = {0};
    struct model_config config;
    assert_true(model_config_size("tiny", &config));
    config.vocab_size = 7;
    config.hidden_size = config.intermediate_size = 8;
    config.num_hidden_layers = 1;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 16;
    assert_true(model_config_check(&config, "test", &error));
    return config;
}

static void save_tokenizer(const char *directory)
{
    struct error error = {0};
    write_text("vocab.txt", SPECIAL "a\nb\n");
    struct vocabulary *vocabulary = vocabulary_load("vocab.txt", &error);
    assert_non_null(vocabulary);
    struct tokenizer *tokenizer = tokenizer_create(vocabulary, tokenizer_default_options, &error);
    assert_non_null(tokenizer);
    assert_true(tokenizer_save(tokenizer, directory, 16, &error));
    tokenizer_free(tokenizer);
}

/* A whole model in the directory "model", all of its numbers the same. */
static void make_model_of(real value)
{
    struct error error = {0};
    struct parameter_table table;
    struct model_config config = small_config();
    assert_true(parameter_table_create(&table, &config, &error));
    real *block = calloc(table.total, sizeof *block);
    assert_non_null(block);
    for (size_t i = 0; i < table.total; i++)
        block[i] = value;
    make_directory("model");
    assert_true(huggingface_save_model("model", &config, &table, block, NULL, &error));
    save_tokenizer("model");
    free(block);
    parameter_table_free(&table);
}

static void make_model(void)
{
    make_model_of((real)0.5);
}

/* A safetensors file of a header and as many zero bytes. */
static void write_header(const char *name, uint64_t length, const char *header, size_t data)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(&length, sizeof length, 1, file), 1);
    assert_true(fputs(header, file) >= 0);
    for (size_t i = 0; i < data; i++)
        assert_true(fputc(0, file) == 0);
    assert_int_equal(fclose(file), 0);
}

static void write_weights(const char *header, size_t data)
{
    make_model();
    write_header("model/model.safetensors", strlen(header), header, data);
}

static void write_index(const char *shard)
{
    char text[500];
    make_model();
    assert_int_equal(rename("model/model.safetensors", "model/a"), 0);
    assert_int_equal(link("model/a", "outside"), 0);
    snprintf(text, sizeof text, "{\"weight_map\": {\"bert.pooler.dense.bias\": \"%s\"}}", shard);
    write_text("model/model.safetensors.index.json", text);
}

/* ---- the rows' files ---- */

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

/* A configuration that trains on one file with a vocabulary of a and b. */
static void write_run(const char *data)
{
    char text[500];
    write_text("vocab.txt", SPECIAL "a\nb\n");
    snprintf(text, sizeof text,
             "output: run\n" SMALL "tokenizer: {vocab: vocab.txt}\n" TRAIN "data: {%s}\n", data);
    write_text("run.yaml", text);
}

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

/* Evaluation needs two as training does; that must not be said when training is over. */
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

/* tokenize reads its text once, so a FIFO will do; but it must not wait without a word. */
static void tokenize_fifo(void)
{
    write_text("vocab.txt", SPECIAL "a\nb\n");
    make_fifo("text");
    assert_int_equal(system("(sleep 0.1; echo a b > text) &"), 0);
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

static void endless_line(void)
{
    make_sparse("text", (off_t)1 << 30);
    write_run("train: [text]");
}

static void endless_record(void)
{
    make_sparse("text.jsonl", (off_t)1 << 30);
    write_run("train: [text.jsonl]");
}

/* A line of 100 MB in 10 KB, as a bomb would come. */
static void endless_packed_line(void)
{
    assert_int_equal(system("head -c 100M /dev/zero | zstd -q -1 > text.zst"), 0);
    write_run("train: [text.zst]");
}

static void packed(const char *change)
{
    write_compressed(&here, "text.gz", 0, "a b\n\nb a\n", 9);
    write_run("train: [text.gz]");
    assert_int_equal(system(change), 0);
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

static void huge_vocabulary(void)
{
    make_sparse("vocab.txt", (off_t)5 << 30);
}

static void huge_config_file(void)
{
    make_sparse("run.yaml", (off_t)5 << 30);
}

static void huge_config_json(void)
{
    make_model();
    assert_int_equal(truncate("model/config.json", (off_t)5 << 30), 0);
}

static void no_mask(void)
{
    write_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
}

static void token_twice(void)
{
    write_text("vocab.txt", SPECIAL "a\nb\na\n");
}

static void vocabulary_fifo(void)
{
    make_fifo("vocab.txt");
}

static void vocabulary_directory(void)
{
    make_directory("vocab.txt"); /* then it is a model directory, without a tokenizer */
}

static void huge_header(void)
{
    make_model();
    write_header("model/model.safetensors", 10000000000, "{}", 0);
}

static void huge_sparse_header(void)
{
    huge_header();
    assert_int_equal(truncate("model/model.safetensors", (off_t)10000000100), 0);
}

static void overflowing_shape(void)
{
    write_weights("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],"
                  "\"data_offsets\":[0,0]}}",
                  0);
}

static void overflowing_offsets(void)
{
    write_weights("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],"
                  "\"data_offsets\":[9223372036854775804,9223372036854775807]}}",
                  8);
}

static void overlapping_tensors(void)
{
    write_weights("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                  "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
                  12);
}

static void repeated_tensor(void)
{
    write_weights("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                  "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                  8);
}

static void deep_header(void)
{
    enum { DEPTH = 100000 };
    char *header = calloc(DEPTH + 1, 1);
    assert_non_null(header);
    memset(header, '[', DEPTH);
    write_weights(header, 0);
    free(header);
}

/* Five million empty arrays in 15 MB would take half a gigabyte. */
static char *many_arrays(const char *start, const char *end)
{
    enum { ARRAYS = 5000000 };
    char *text = malloc(strlen(start) + (size_t)3 * ARRAYS + strlen(end) + 1);
    assert_non_null(text);
    char *at = stpcpy(text, start);
    for (int i = 0; i < ARRAYS; i++)
        at = stpcpy(at, "[],");
    strcpy(at, end);
    return text;
}

static void crowded_header(void)
{
    char *header = many_arrays("{\"a\":[", "0]}");
    write_weights(header, 0);
    free(header);
}

static void crowded_config_json(void)
{
    char *text = many_arrays("{\"a\":[", "0]}");
    make_model();
    write_text("model/config.json", text);
    free(text);
}

static void nan_weights(void)
{
    make_model_of((real)NAN);
}

static void infinite_weights(void)
{
    make_model_of((real)INFINITY);
}

static void weights_fifo(void)
{
    make_model();
    assert_int_equal(unlink("model/model.safetensors"), 0);
    make_fifo("model/model.safetensors");
}

static void weights_directory(void)
{
    make_model();
    assert_int_equal(unlink("model/model.safetensors"), 0);
    make_directory("model/model.safetensors");
}

static void weights_cycle(void)
{
    make_model();
    assert_int_equal(unlink("model/model.safetensors"), 0);
    assert_int_equal(symlink("model.safetensors", "model/model.safetensors"), 0);
}

static void shard_above(void)
{
    write_index("../outside");
}

static void shard_elsewhere(void)
{
    write_index("/etc/passwd");
}

static void shard_is_directory(void)
{
    write_index(".");
}

/* It must not count as absent: the flags would silently be the defaults. */
static void dangling_flags(void)
{
    make_model();
    assert_int_equal(unlink("model/tokenizer.json"), 0);
    assert_int_equal(unlink("model/tokenizer_config.json"), 0);
    assert_int_equal(symlink("gone", "model/tokenizer_config.json"), 0);
}

static void line_break_in_token(void)
{
    make_model();
    assert_int_equal(system("sed -i 's/\"b\": 6/\"b\\\\nc\": 6/' model/tokenizer.json"), 0);
}

static void write_sizes(const char *sizes)
{
    char text[500];
    make_model();
    snprintf(text, sizeof text,
             "{\"vocab_size\": 7, \"num_attention_heads\": 2, \"max_position_embeddings\": 16, %s}",
             sizes);
    write_text("model/config.json", text);
}

static void huge_layers(void)
{
    write_sizes(
        "\"hidden_size\": 16384, \"num_hidden_layers\": 4096, \"intermediate_size\": 65536");
}

static void overflowing_sizes(void)
{
    write_sizes("\"hidden_size\": 1073741824, \"num_hidden_layers\": 1, \"intermediate_size\": 8");
}

static void size_of_64_bits(void)
{
    write_sizes("\"hidden_size\": 4294967304, \"num_hidden_layers\": 1, \"intermediate_size\": 8");
}

/* Terabytes: refused before the text is looked at. */
static void huge_run(void)
{
    write_run("train: [text]");
    write_text("text", "a\n\nb\n");
}

/* ---- the table ---- */

#define TRAINS                                                                                     \
    {                                                                                              \
        "train", "run.yaml"                                                                        \
    }
#define FILLS                                                                                      \
    {                                                                                              \
        "fill", "model", "a [MASK]"                                                                \
    }
#define TOKENS                                                                                     \
    {                                                                                              \
        "tokenize", "--vocab", "vocab.txt", "/dev/null"                                            \
    }

static const struct row {
    void (*make)(void);
    const char *arguments[MOST_ARGUMENTS];
    int status;
    const char *message;
} rows[] = {
    {config_fifo, TRAINS, 2, "run.yaml: is a FIFO; expected a regular file"},
    {config_directory, TRAINS, 2, "run.yaml: is a directory; expected a regular file"},
    {config_cycle, TRAINS, 2, "run.yaml: cannot open: Too many levels of symbolic links"},

    {empty_corpus, TRAINS, 2, "there is no text in "},
    {blank_corpus, TRAINS, 2, "there is no text in "},
    {one_document, TRAINS, 2, "next-sentence prediction needs two documents or more"},
    {one_held_out_document, TRAINS, 2,
     "the held-out text (data.valid, data.valid_fraction): next-sentence prediction needs two"},
    {one_sentence, TRAINS, 2, "next-sentence prediction needs two documents or more"},
    {one_token, TRAINS, 0, "done: step 1"},
    {unknown_text, TRAINS, 2, "all 3 tokens of the text are [UNK]: the vocabulary is not"},
    {corpus_fifo, TRAINS, 2, "/text: is a FIFO, a socket or a device; expected a regular file"},
    {corpus_directory, TRAINS, 2, "/text: is a directory; expected a file"},
    {corpus_cycle, TRAINS, 2, "/text: cannot read: Too many levels of symbolic links"},
    {endless_line, TRAINS, 2, "/text:1: the line is longer than 16 MiB"},
    {endless_record, TRAINS, 2, "/text.jsonl:1: the line is longer than 16 MiB"},
    {endless_packed_line, TRAINS, 2, "/text.zst:1: the line is longer than 16 MiB"},
    {cut_gzip, TRAINS, 2, "/text.gz: cannot read past line 3: the gzip data are cut off"},
    {wrong_gzip_checksum, TRAINS, 2,
     "/text.gz: cannot read past line 0: the gzip data are damaged: incorrect data check"},
    {record_without_text, TRAINS, 2, "/text.jsonl:2: the record has no \"text\""},
    {not_utf8, TRAINS, 2, "/text:2: invalid UTF-8 at byte 3 of the line: 0xE4"},
    {utf16, TRAINS, 2, "/text: begins as UTF-16 text; expected UTF-8"},
    {endless_line,
     {"tokenize", "--vocab", "vocab.txt", "text"},
     2,
     "text: a line is longer than 16 MiB"},

    {huge_vocabulary, TOKENS, 2, "vocab.txt: holds 5368709120 bytes; expected at most 1073741824"},
    {huge_config_file, TRAINS, 2, "run.yaml: holds 5368709120 bytes; expected at most 1048576"},
    {huge_config_json, FILLS, 2, "config.json: holds 5368709120 bytes; expected at most 67108864"},
    {tokenize_fifo,
     {"tokenize", "--vocab", "vocab.txt", "text"},
     0,
     "text: a FIFO: reading what another program writes to it"},
    {no_mask, TOKENS, 2, "vocab.txt: the special token [MASK] is not among its 5 tokens"},
    {token_twice, TOKENS, 2, "vocab.txt:8: the token \"a\" stands already in line 6"},
    {vocabulary_fifo, TOKENS, 2, "vocab.txt: is a FIFO; expected a regular file"},
    {vocabulary_directory, TOKENS, 2, "vocab.txt: holds neither tokenizer.json nor vocab.txt"},

    {huge_header, FILLS, 2,
     "model.safetensors: the header's length is 10000000000 in a file of 10"},
    {huge_sparse_header, FILLS, 2, "(headers of at most 100000000 bytes)"},
    {overflowing_shape, FILLS, 2, "tensor a: the shape has more than 2^64 bytes"},
    {overflowing_offsets, FILLS, 2,
     "tensor a: data_offsets are [9223372036854775804, 9223372036854775807]; expected them "
     "ascending, within the file's 8 bytes of data"},
    {overlapping_tensors, FILLS, 2, "tensor b begins at byte 4 of the data; expected 8"},
    {repeated_tensor, FILLS, 2, "the header is not valid JSON: duplicate object key near '\"a\"'"},
    {deep_header, FILLS, 2, "the header is not valid JSON: maximum parsing depth reached"},
    {crowded_header, FILLS, 2, "model.safetensors: the header holds more than 4194304 JSON values"},
    {crowded_config_json, FILLS, 2, "config.json: holds more than 4194304 JSON values"},
    {nan_weights, FILLS, 2, "holds a value that is not a finite number"},
    {infinite_weights, FILLS, 2, "holds a value that is not a finite number"},
    {weights_fifo, FILLS, 2, "model/model.safetensors: is a FIFO; expected a regular file"},
    {weights_directory, FILLS, 2, "model/model.safetensors: is a directory; expected a regular"},
    {weights_cycle, FILLS, 2, "model/model.safetensors: cannot open: Too many levels of symbolic"},
    {shard_above, FILLS, 2, "is \"../outside\"; expected the name of a file beside the index"},
    {shard_elsewhere, FILLS, 2, "is \"/etc/passwd\"; expected the name of a file beside the index"},
    {shard_is_directory, FILLS, 2, "is \".\"; expected the name of a file beside the index"},
    {dangling_flags, FILLS, 2, "model/tokenizer_config.json: cannot open: No such file"},
    {line_break_in_token, FILLS, 2, "model/tokenizer.json:7: the token holds a line break"},

    {huge_layers, FILLS, 2, "model: the model takes "},
    {overflowing_sizes, FILLS, 2, "is too large; expected less than 2^31"},
    {size_of_64_bits, FILLS, 2, "hidden_size is 4294967304; expected a 32-bit integer"},
    {huge_run,
     {"train", "run.yaml", "--set", "model.hidden_size=16384", "--set",
      "model.num_hidden_layers=4096"},
     2,
     "A smaller model.size, train.micro_batch_size, train.batch_size or data.seq_len needs less"},
};

/* Nothing may be left behind but what a run directory holds. */
static void hostile_files_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error error = {0};
        print_message("  %s: %s\n", rows[i].arguments[0], rows[i].message);
        assert_int_equal(mkdir("row", 0700), 0);
        assert_int_equal(chdir("row"), 0);
        rows[i].make();
        assert_cloze_says(rows[i].status, rows[i].message, rows[i].arguments);
        assert_int_equal(chdir(".."), 0);
        assert_true(directory_remove("row", &error));
    }
}

/* ---- links ---- */

static void expect_contents(const char *path, const struct buffer *expected)
{
    struct error error = {0};
    struct buffer found = {0};
    assert_true(file_read(path, 1 << 24, &found, &error));
    assert_int_equal(found.size, expected->size);
    assert_memory_equal(found.data, expected->data, found.size);
    buffer_free(&found);
}

/* As the caches of the Hugging Face hub are made. What is trained from such a directory goes to the
 * output alone, and what the links lead to stays as it is. */
static void a_model_directory_of_links_is_only_read(void **state)
{
    static const char *const names[] = {"config.json",           "model.safetensors",
                                        "tokenizer.json",        "vocab.txt",
                                        "tokenizer_config.json", "special_tokens_map.json"};
    enum { NAMES = sizeof names / sizeof *names };
    struct error error = {0};
    struct buffer contents[NAMES] = {{0}};
    char path[100], target[100];
    struct stat status;
    (void)state;
    make_model();
    make_directory("elsewhere");
    for (int i = 0; i < NAMES; i++) {
        snprintf(path, sizeof path, "model/%s", names[i]);
        snprintf(target, sizeof target, "elsewhere/%s", names[i]);
        assert_int_equal(rename(path, target), 0);
        assert_true(file_read(target, 1 << 24, &contents[i], &error));
        snprintf(target, sizeof target, "../elsewhere/%s", names[i]);
        assert_int_equal(symlink(target, path), 0);
    }
    write_text("text", "a b a b\n\nb a b a\n");
    write_text("run.yaml", "output: run\nmodel: {init_from: model}\n" TRAIN
                           "data: {train: [text], valid_fraction: 0, seq_len: 16}\n");
    ASSERT_CLOZE_SAYS(0, "done: step 1", "train", "run.yaml");
    for (int i = 0; i < NAMES; i++) {
        snprintf(path, sizeof path, "elsewhere/%s", names[i]);
        expect_contents(path, &contents[i]);
        snprintf(path, sizeof path, "run/checkpoints/step-00000001/%s", names[i]);
        assert_int_equal(lstat(path, &status), 0);
        assert_true(S_ISREG(status.st_mode));
        buffer_free(&contents[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_files_are_named, run_config_enter_directory,
                                        run_config_leave_directory),
        cmocka_unit_test_setup_teardown(a_model_directory_of_links_is_only_read,
                                        run_config_enter_directory, run_config_leave_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
