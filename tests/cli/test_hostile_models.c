/* Model directories that nobody should trust, given to the program. */
#include "base/file.h"
#include "model/huggingface.h"
#include "support/contents.h"
#include "support/hostile.h"
#include "support/program.h"
#include "support/run_config_files.h"
#include "text/tokenizer.h"

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

/* ---- what the rows are made of ---- */

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
    write_vocabulary();
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
    assert_true(huggingface_save_model("model", &config, &table, block, &error));
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

/* Five million empty arrays in 15 MB would take half a gigabyte. */
static char *many_arrays(void)
{
    enum { ARRAYS = 5000000 };
    char *text = malloc((size_t)3 * ARRAYS + 20);
    assert_non_null(text);
    char *at = stpcpy(text, "{\"a\":[");
    for (int i = 0; i < ARRAYS; i++)
        at = stpcpy(at, "[],");
    stpcpy(at, "0]}");
    return text;
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

static void write_sizes(const char *sizes)
{
    char text[500];
    make_model();
    snprintf(text, sizeof text,
             "{\"vocab_size\": 7, \"num_attention_heads\": 2, \"max_position_embeddings\": 16, %s}",
             sizes);
    write_text("model/config.json", text);
}

/* ---- weights ---- */

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

static void crowded_header(void)
{
    char *header = many_arrays();
    write_weights(header, 0);
    free(header);
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

/* ---- shards ---- */

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

/* ---- config.json ---- */

static void huge_config_json(void)
{
    make_model();
    assert_int_equal(truncate("model/config.json", (off_t)5 << 30), 0);
}

static void crowded_config_json(void)
{
    char *text = many_arrays();
    make_model();
    write_text("model/config.json", text);
    free(text);
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

/* ---- the tokenizer ---- */

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

/* "##" continues a word by nothing, so that the vocabulary has no piece at all. */
static void vocabulary_without_pieces(void)
{
    make_directory("model");
    write_text("model/vocab.txt", "##\n");
    write_text("model/special_tokens_map.json",
               "{\"pad_token\": \"##\", \"unk_token\": \"##\", \"cls_token\": \"##\", "
               "\"sep_token\": \"##\", \"mask_token\": \"##\"}");
    write_text("text", "a word\n");
}

/* ---- the table ---- */

#define FILLS                                                                                      \
    {                                                                                              \
        "fill", "model", "a [MASK]"                                                                \
    }

static const struct hostile_row rows[] = {
    {huge_header, FILLS, 2,
     "model.safetensors: the header's length is 10000000000 in a file of 10"},
    {huge_sparse_header, FILLS, 2, "(headers of at most 100000000 bytes)"},
    {overflowing_shape, FILLS, 2, "tensor a: the shape has more than 2^64 bytes"},
    {overflowing_offsets, FILLS, 2,
     "tensor a: data_offsets are [9223372036854775804, 9223372036854775807]; expected them "
     "ascending, within the file's 8 bytes of data"},
    {overlapping_tensors, FILLS, 2, "tensor b starts at byte 4 of the data; expected 8"},
    {repeated_tensor, FILLS, 2, "the header is not valid JSON: duplicate object key near '\"a\"'"},
    {deep_header, FILLS, 2, "the header is not valid JSON: maximum parsing depth reached"},
    {crowded_header, FILLS, 2, "model.safetensors: the header holds more than 4194304 JSON values"},
    {nan_weights, FILLS, 2, "holds a value that is not a finite number"},
    {infinite_weights, FILLS, 2, "holds a value that is not a finite number"},
    {weights_fifo, FILLS, 2, "model/model.safetensors: is a FIFO; expected a regular file"},
    {weights_directory, FILLS, 2, "model/model.safetensors: is a directory; expected a regular"},
    {weights_cycle, FILLS, 2, "model/model.safetensors: cannot open: Too many levels of symbolic"},

    {shard_above, FILLS, 2,
     "is \"../outside\"; expected the name of a file in the directory of the index"},
    {shard_elsewhere, FILLS, 2,
     "is \"/etc/passwd\"; expected the name of a file in the directory of the index"},
    {shard_is_directory, FILLS, 2,
     "is \".\"; expected the name of a file in the directory of the index"},

    {huge_config_json, FILLS, 2, "config.json: holds 5368709120 bytes; expected at most 67108864"},
    {crowded_config_json, FILLS, 2, "config.json: holds more than 4194304 JSON values"},
    {huge_layers, FILLS, 2, "model: the model takes "},
    {overflowing_sizes, FILLS, 2, "is too large; expected less than 2^31"},
    {size_of_64_bits, FILLS, 2, "hidden_size is 4294967304; expected a 32-bit integer"},

    {dangling_flags, FILLS, 2, "model/tokenizer_config.json: cannot open: No such file"},
    {line_break_in_token, FILLS, 2, "model/tokenizer.json:7: the token contains a line break"},
    {vocabulary_without_pieces, {"tokenize", "--vocab", "model", "text"}, 0, ""},
};

static void hostile_model_directories_are_named(void **state)
{
    (void)state;
    assert_hostile_rows(rows, sizeof rows / sizeof *rows);
}

/* ---- links ---- */

/* As the caches of the Hugging Face hub are made. What is trained from such a directory goes to the
 * output alone, and what the links lead to stays as it is. */
static void a_model_directory_of_links_is_only_read(void **state)
{
    static const char *const names[] = {"config.json",           "model.safetensors",
                                        "tokenizer.json",        "vocab.txt",
                                        "tokenizer_config.json", "special_tokens_map.json"};
    enum { NAMES = sizeof names / sizeof *names };
    struct buffer contents[NAMES];
    char path[100], target[100];
    struct stat status;
    (void)state;
    make_model();
    make_directory("elsewhere");
    for (int i = 0; i < NAMES; i++) {
        snprintf(path, sizeof path, "model/%s", names[i]);
        snprintf(target, sizeof target, "elsewhere/%s", names[i]);
        assert_int_equal(rename(path, target), 0);
        contents[i] = contents_of(target);
        snprintf(target, sizeof target, "../elsewhere/%s", names[i]);
        assert_int_equal(symlink(target, path), 0);
    }
    write_text("text", "a b a b\n\nb a b a\n");
    write_text("run.yaml", "output: run\nmodel: {init_from: model}\n" TRAIN_ONE_STEP
                           "data: {train: [text], valid_fraction: 0, seq_len: 16}\n");
    ASSERT_CLOZE_SAYS(0, "done: step 1", "train", "run.yaml");
    for (int i = 0; i < NAMES; i++) {
        snprintf(path, sizeof path, "elsewhere/%s", names[i]);
        assert_contents(path, &contents[i]);
        snprintf(path, sizeof path, "run/checkpoints/step-00000001/%s", names[i]);
        assert_int_equal(lstat(path, &status), 0);
        assert_true(S_ISREG(status.st_mode));
        buffer_free(&contents[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_model_directories_are_named,
                                        run_config_enter_directory, run_config_leave_directory),
        cmocka_unit_test_setup_teardown(a_model_directory_of_links_is_only_read,
                                        run_config_enter_directory, run_config_leave_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
