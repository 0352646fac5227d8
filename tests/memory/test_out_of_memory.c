/* Every allocation of what starting up consists of fails in turn, those of the libraries included:
 * each time a clean error, and nothing is left allocated. */
#include "base/directory.h"
#include "memory/failing_memory.h"

#include "base/buffer.h"
#include "base/file_writer.h"
#include "base/json.h"
#include "base/npy_writer.h"
#include "checkpoint/checkpoint.h"
#include "config/config_print.h"
#include "data/corpus.h"
#include "data/dataset.h"
#include "data/labelled_set.h"
#include "data/minimal_pairs.h"
#include "data/prepare.h"
#include "data/text_survey.h"
#include "model/batch_file.h"
#include "model/embedder.h"
#include "model/huggingface.h"
#include "model/pseudo_likelihood.h"
#include "model/text_vectors.h"
#include "report/report.h"
#include "support/compressed.h"
#include "support/program.h"
#include "support/run_config_files.h"
#include "text/sentences.h"
#include "text/text_encoder.h"
#include "text/tokenizer_internal.h"
#include "train/recipe.h"
#include "train/run.h"

#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what can fail ---- */

static const char config_text[] =
    "output: run\n"
    "model: {size: tiny, hidden_size: 16, intermediate_size: 32, num_attention_heads: 2}\n"
    "tokenizer: {vocab_size: 100}\n"
    "data: {train: [text.txt, more.jsonl.gz], sentences: line, seq_len: 16, valid_fraction: 0}\n"
    "train: {phases: [{seq_len: 16, steps: 2}], batch_size: 4, warmup_steps: 1, threads: 1}\n";

static bool load_config_file(struct error *error)
{
    const char *const settings[] = {"seed=7", "data.seq_len=16"};
    struct run_config *config =
        run_config_load(&run_config_schema, "run.yaml", settings, 2, NULL, error);
    struct buffer text = {0};
    bool done = config && config_print(config, true, &text, error);
    buffer_free(&text);
    run_config_free(config);
    return done;
}

/* Three settings that are wrong, of which `train --dry-run` names all. */
static bool note_problems(struct error *error)
{
    const char *const settings[] = {"seed=x", "data.seq_len=4", "train.nothing=1"};
    struct config_problems problems = {0};
    struct run_config *config =
        run_config_load_noting(&run_config_schema, "run.yaml", settings, 3, &problems, NULL, error);
    const bool noted = !config && error->kind == ERROR_INPUT && problems.count == 3;
    config_problems_free(&problems);
    run_config_free(config);
    if (noted)
        *error = (struct error){0};
    return noted;
}

static bool read_tokenizer(const char *directory, struct error *error)
{
    struct tokenizer_parts parts;
    bool done = tokenizer_read_files(directory, &parts, error);
    if (done)
        vocabulary_free(parts.vocabulary);
    return done;
}

static bool read_tokenizer_json(struct error *error)
{
    return read_tokenizer("model", error);
}

static bool read_tokenizer_lines(struct error *error)
{
    return read_tokenizer("lines", error);
}

static bool make_tokenizer(struct error *error)
{
    static const char text[] = "the king saw";
    const int32_t *ids;
    size_t count;
    struct vocabulary *vocabulary = vocabulary_load("lines/vocab.txt", error);
    struct tokenizer *tokenizer =
        vocabulary ? tokenizer_create(vocabulary, tokenizer_default_options, error) : NULL;
    struct text_encoder *encoder = tokenizer ? text_encoder_create(tokenizer, error) : NULL;
    bool done = encoder && text_encoder_encode(encoder, text, sizeof text - 1, &ids, &count, error);
    char *decoded = done ? tokenizer_decode(tokenizer, ids, count, true, error) : NULL;
    done = decoded;
    free(decoded);
    text_encoder_free(encoder);
    tokenizer_free(tokenizer);
    return done;
}

static bool load_model(struct error *error)
{
    struct huggingface_missing missing;
    struct model *model = huggingface_load_model("model", &missing, error);
    model_free(model);
    return model;
}

static bool embed_texts(struct error *error)
{
    struct huggingface_missing missing;
    const int32_t ids[] = {2, 6, 7, 3};
    static float values[128];
    struct text_vector text = {.ids = ids, .length = 4, .values = values};
    struct model *model = huggingface_load_model("model", &missing, error);
    struct text_vectors *vectors =
        model ? text_vectors_create(model, POOLING_POOLER, true, omp_get_max_threads(), error)
              : NULL;
    if (vectors)
        text_vectors_compute(vectors, &text, 1, NULL);
    struct npy_writer *writer = vectors ? npy_writer_open("vectors.npy", 2, error) : NULL;
    bool done = writer && npy_writer_put(writer, values, 1, error);
    done = done ? npy_writer_commit(writer, error) : (npy_writer_abandon(writer), false);
    text_vectors_free(vectors);
    model_free(model);
    return done;
}

static bool score_pairs(struct error *error)
{
    struct huggingface_missing missing;
    const int32_t ids[] = {6, 7};
    double score;
    struct minimal_pair pair;
    bool end = false, done = true;
    struct vocabulary *vocabulary = vocabulary_load("lines/vocab.txt", error);
    struct model *model = vocabulary ? huggingface_load_model("model", &missing, error) : NULL;
    struct pseudo_likelihood *scorer =
        model ? pseudo_likelihood_create(model, vocabulary, omp_get_max_threads(), error) : NULL;
    struct minimal_pairs *reader = scorer ? minimal_pairs_open("pairs.jsonl", error) : NULL;
    while (reader && done && !end)
        done = minimal_pairs_next(reader, &pair, &end, error);
    if (scorer)
        pseudo_likelihood_add(scorer, ids, 2, &score);
    if (scorer)
        pseudo_likelihood_finish(scorer);
    minimal_pairs_close(reader);
    pseudo_likelihood_free(scorer);
    model_free(model);
    vocabulary_free(vocabulary);
    return reader && done;
}

static bool read_labelled(const char *path, struct labelled_settings settings,
                          const struct tokenizer *tokenizer, struct error *error)
{
    struct corpus_files files;
    struct labelled_set set = {0};
    struct label_list labels = {0};
    struct batch batch = {0};
    const struct labelled_reading reading = {
        .settings = &settings, .tokenizer = tokenizer, .max_length = 16, .training = true};
    bool done = corpus_files_expand(&files, &path, 1, error);
    if (!done)
        return false;
    done = labelled_set_read(&set, &files, &reading, &labels, error) &&
           labelled_set_batch(&set, (size_t[]){1, 0}, 2, &batch, error);
    batch_free(&batch);
    labelled_set_free(&set);
    label_list_free(&labels);
    corpus_files_free(&files);
    return done;
}

static bool read_labelled_files(struct error *error)
{
    const struct labelled_settings pairs = {.header = true, .text_pair = "second"};
    const struct labelled_settings words = {.kind = TASK_TOKENS};
    struct tokenizer *tokenizer = tokenizer_load("model", error);
    const bool done = tokenizer && read_labelled("pairs.csv", pairs, tokenizer, error) &&
                      read_labelled("records.jsonl", pairs, tokenizer, error) &&
                      read_labelled("words.conll", words, tokenizer, error);
    tokenizer_free(tokenizer);
    return done;
}

static bool save_model(struct error *error)
{
    struct huggingface_missing missing;
    struct model *model = huggingface_load_model("model", &missing, error);
    bool done = model && huggingface_save_model("saved", &model->config, &model->table,
                                                model->parameters.values, error);
    model_free(model);
    return done;
}

static bool read_batch(struct error *error)
{
    struct batch batch = {0};
    struct model_config config;
    bool done = model_config_size("tiny", &config) &&
                batch_file_read("batch.safetensors", &config, &batch, error) &&
                batch_file_write("again.safetensors", &batch, 0, error);
    batch_free(&batch);
    return done;
}

static bool read_corpus(struct error *error)
{
    const char *const patterns[] = {"text.txt", "more*", "packed.*"};
    struct corpus_files files;
    bool end = false, done = corpus_files_expand(&files, patterns, 3, error);
    struct corpus_reader *reader =
        done ? corpus_reader_open(&files, (struct text_field){0}, false, error) : NULL;
    struct corpus_piece piece;
    done = reader;
    while (done && !end)
        done = corpus_reader_next(reader, 1000, &piece, &end, error);
    corpus_reader_close(reader);
    corpus_files_free(&files);
    return done;
}

/* What `init` does but for timing the machine. */
static bool make_recipe(struct error *error)
{
    const char *const patterns[] = {"text.txt", "more*"};
    struct corpus_files files;
    struct text_survey survey;
    struct recipe recipe;
    struct buffer text = {0};
    bool done = corpus_files_expand(&files, patterns, 2, error) &&
                text_survey_take(&survey, &files, (struct text_field){0}, NULL, error);
    if (done) {
        recipe = recipe_of_text(&survey);
        recipe_choose(&recipe, "tiny", false, 10000, 3600);
        done = recipe_print(&recipe, &survey, (const char *const *)files.paths, files.count,
                            "runs/text", NULL, &text, error);
    }
    buffer_free(&text);
    corpus_files_free(&files);
    return done;
}

static bool split_sentences(struct error *error)
{
    static const char text[] = "One. Two\xE3\x80\x82 Three.";
    const size_t *ends;
    size_t count;
    struct sentence_splitter *splitter = sentence_splitter_create(error);
    bool done =
        splitter && sentence_splitter_split(splitter, text, sizeof text - 1, &ends, &count, error);
    sentence_splitter_free(splitter);
    return done;
}

/* The vocabulary is loaded by the first call, in which no allocation fails. */
static bool open_dataset(struct error *error)
{
    static struct vocabulary *vocabulary;
    if (!vocabulary && !(vocabulary = vocabulary_load("run/vocab.txt", error)))
        return false;
    struct dataset *dataset = dataset_open("run/data", "train", vocabulary_size(vocabulary),
                                           vocabulary_hash(vocabulary), error);
    dataset_close(dataset);
    return dataset;
}

/* An embedder that memory was short for takes the next texts. */
static bool embed_again(struct error *error)
{
    enum { TEXTS = 2, HIDDEN = 16, LENGTH = 8 };
    static struct tokenizer *tokenizer;
    static struct model *model;
    static float values[TEXTS * HIDDEN];
    static const struct cell texts[TEXTS] = {{"the king saw", 12}, {"so on", 5}};
    struct huggingface_missing missing;
    struct error ignored = {0};
    if (!tokenizer) {
        tokenizer = tokenizer_load("model", &ignored);
        model = huggingface_load_model("model", &missing, &ignored);
    }
    assert_true(tokenizer && model && model->config.hidden_size == HIDDEN);
    struct embedder *embedder =
        embedder_create(model, tokenizer, LENGTH, POOLING_MEAN, true, 1, error);
    const bool done = embedder && embedder_run(embedder, texts, TEXTS, values, NULL, error);
    if (embedder && !done && !embedder_run(embedder, texts, TEXTS, values, NULL, &ignored))
        fail_msg("%s", ignored.message);
    embedder_free(embedder);
    return done;
}

static bool train_vocabulary(struct error *error)
{
    const char *const files[] = {"text.txt"};
    const struct vocabulary_request request = {.files = files,
                                               .count = 1,
                                               .size = 100,
                                               .options = tokenizer_default_options,
                                               .threads = 1};
    struct vocabulary *vocabulary = prepare_vocabulary(&request, NULL, error);
    bool done = vocabulary && vocabulary_save(vocabulary, "trained.txt", error);
    vocabulary_free(vocabulary);
    return done;
}

static bool prepare_holding_out(double fraction, int min_documents, struct error *error)
{
    static struct tokenizer *tokenizer;
    const char *const files[] = {"text.txt", "more.jsonl.gz"};
    const struct prepare_options options = {.train = files,
                                            .train_count = 2,
                                            .valid_fraction = fraction,
                                            .min_documents = min_documents,
                                            .sentences = SENTENCES_LINE,
                                            .threads = 1};
    struct prepare_summary summary;
    struct error ignored = {0};
    if (!tokenizer)
        tokenizer = tokenizer_load("model", &ignored);
    assert_non_null(tokenizer);
    return directory_remove("prepared", error) &&
           prepare_dataset("prepared", tokenizer, &options, &summary, NULL, error);
}

static bool prepare_text(struct error *error)
{
    return prepare_holding_out(0, 0, error);
}

/* Too few documents are held out, so that the text is read again. */
static bool prepare_twice(struct error *error)
{
    return prepare_holding_out(0.5, 1000, error);
}

static bool find_checkpoint(struct error *error)
{
    char *directory = NULL;
    bool done = checkpoint_find_latest("run", &directory, NULL, error);
    free(directory);
    return done;
}

static bool describe_checkpoint(struct error *error)
{
    struct training_state state;
    if (!training_state_read("run/checkpoints/step-00000002", &state, error))
        return false;
    bool done = training_state_write("saved", &state, error);
    training_state_free(&state);
    return done;
}

static bool report_run(struct error *error)
{
    const char *const directories[] = {"run"};
    json_t *document = report_document(directories, 1, error);
    const bool done = document;
    json_decref(document);
    return done;
}

/* All of the above, in one: what `train --resume` does before its first step. */
static bool start_run(struct error *error)
{
    struct run_config *config =
        run_config_load(&run_config_schema, "run.yaml", NULL, 0, NULL, error);
    struct run *run = config ? run_open(config, true, NULL, NULL, error) : NULL;
    run_close(run);
    run_config_free(config);
    return run;
}

static bool evaluate_task(struct run *run, struct error *error)
{
    struct run_evaluation evaluation;
    struct workspace *workspace = workspace_create(
        &run->trainee.model->config,
        memory_plan_limits(&run->request, &run->plan, run->phases[0].seq_len), false, error);
    bool done = workspace && run->kind->evaluate(run, workspace, &evaluation, error);
    workspace_free(workspace);
    return done;
}

/* What `finetune` does before its first step, and an evaluation. */
static bool start_task(struct error *error)
{
    const struct config_schema *schema = run_config_schema_of("task.yaml", error);
    struct run_config *config =
        schema ? run_config_load(schema, "task.yaml", NULL, 0, NULL, error) : NULL;
    struct run *run = config ? run_open(config, false, NULL, NULL, error) : NULL;
    struct batch_source batches = {0};
    bool done = run && run->kind->open_batches(run, 1, &batches, error) &&
                batches.next(batches.state, error) && evaluate_task(run, error);
    if (batches.state)
        batches.close(batches.state);
    run_close(run);
    run_config_free(config);
    return done;
}

/* ---- trying ---- */

struct tally {
    uint64_t allocations, errors, recovered;
};

/* Fails the allocations first, first + stride ... of an attempt, until it needs no more. */
static struct tally fail_each(bool (*attempt)(struct error *error), uint64_t stride,
                              bool library_leaks)
{
    struct tally tally = {0};
    struct error error = {0};
    for (int i = 0; i < 2; i++) /* what libraries keep for ever */
        if (!attempt(&error))
            fail_msg("%s", error.message);
    for (uint64_t number = 1;; number += stride) {
        int64_t before = memory_blocks();
        error = (struct error){0};
        memory_fail_at(number);
        bool done = attempt(&error), failed = memory_has_failed();
        memory_fail_at(0);
        int64_t after = memory_blocks();
        if (!failed) {
            assert_true(done);
            tally.allocations = number - 1;
            return tally;
        }
        if (after != before && !library_leaks)
            fail_msg("allocation %llu: %lld blocks are left: %s", (unsigned long long)number,
                     (long long)(after - before), error.message);
        tally.recovered += done;
        tally.errors += !done;
        if (!done && (error.kind != ERROR_WORK || !error.message[0]))
            fail_msg("allocation %llu: kind %d: \"%s\"", (unsigned long long)number,
                     (int)error.kind, error.message);
    }
}

static void every_allocation_may_fail(void **state)
{
    const bool thorough = getenv("CLOZE_THOROUGH");
    const struct {
        const char *name;
        bool (*attempt)(struct error *error);
        uint64_t stride;
        bool library_leaks;
    } parts[] = {
        {"configuration", load_config_file, 1, false},
        {"problems", note_problems, 1, false},
        {"tokenizer.json", read_tokenizer_json, 1, false},
        {"vocab.txt", read_tokenizer_lines, 1, false},
        {"tokenizer", make_tokenizer, 1, false},
        {"model", load_model, 1, false},
        {"model saved", save_model, 1, false},
        {"batch", read_batch, 1, false},
        {"texts embedded", embed_texts, 1, false},
        {"texts embedded again", embed_again, 1, false},
        {"pairs scored", score_pairs, 1, false},
        {"labelled files", read_labelled_files, 1, false},
        {"corpus", read_corpus, 1, false},
        {"sentences", split_sentences, 1, true}, /* ICU does when it fails */
        {"recipe", make_recipe, 1, true},        /* the same */
        {"shards", open_dataset, 1, false},
        {"vocabulary trained", train_vocabulary, 1, false},
        {"text prepared", prepare_text, 1, false},
        {"text prepared twice", prepare_twice, 1, false},
        {"latest checkpoint", find_checkpoint, 1, false},
        {"training state", describe_checkpoint, 1, false},
        {"report", report_run, thorough ? 1 : 7, false},
        {"finetune", start_task, thorough ? 1 : 7, false},
        {"train --resume", start_run, thorough ? 1 : 7, false}, /* takes all of the others */
    };
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        print_message("%s: ", parts[i].name);
        struct tally tally = fail_each(parts[i].attempt, parts[i].stride, parts[i].library_leaks);
        print_message("of %llu allocations %llu were an error, %llu were done without\n",
                      (unsigned long long)tally.allocations, (unsigned long long)tally.errors,
                      (unsigned long long)tally.recovered);
        assert_true(tally.errors > 0);
    }
}

/* ---- the program ---- */

/* The status of `train` with the allocation failing. */
static int train_failing(uint64_t number, const char *output)
{
    char text[32], setting[64];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    snprintf(setting, sizeof setting, "output=%s", output);
    setenv("CLOZE_FAIL_ALLOCATION", text, 1);
    setenv("LD_PRELOAD", TEST_FAILING_MEMORY, 1);
    struct program_result result = RUN_CLOZE("train", "run.yaml", "--set", setting);
    unsetenv("LD_PRELOAD");
    unsetenv("CLOZE_FAIL_ALLOCATION");
    if (result.status > 2 || (result.status && !result.err[0]))
        fail_msg("allocation %llu: status %d: %s", (unsigned long long)number, result.status,
                 result.err);
    if (result.status == 2)
        fail_msg("allocation %llu: called the user's fault: %s", (unsigned long long)number,
                 result.err);
    program_result_free(&result);
    return result.status;
}

/* The first allocations one by one, later ones further and further apart. */
static void the_program_ends_with_status_1(void **state)
{
    int failed = 0, number_of_runs = 0;
    (void)state;
    for (uint64_t number = 1; number < 6000; number += 1 + number / 8) {
        struct error error = {0};
        failed += train_failing(number, "other") == 1;
        number_of_runs++;
        assert_true(directory_remove("other", &error));
    }
    print_message("%d of %d runs ended with an error\n", failed, number_of_runs);
    assert_true(failed > number_of_runs / 2);
}

/* ---- files ---- */

static void write_batch(void)
{
    struct error error = {0};
    struct batch batch = {0};
    assert_true(batch_reserve(&batch, 1, 4, 1, &error));
    for (int i = 0; i < 4; i++)
        batch.input_ids[i] = 5;
    batch_append(&batch, 4, 4, 0, NO_LABEL);
    assert_true(batch_file_write("batch.safetensors", &batch, 0, &error));
    static const char pair[] = "{\"sentence_good\": \"a\", \"sentence_bad\": \"b\"}\n";
    assert_true(file_write("pairs.jsonl", pair, sizeof pair - 1, &error));
    batch_free(&batch);
}

static void write_labelled(void)
{
    write_config("pairs.csv", "text,second,label\nthe king,\"saw\nit\",yes\nthe,queen,no\n");
    write_config("records.jsonl", "{\"text\": \"the king\", \"second\": \"saw\", \"label\": 1}\n"
                                  "{\"text\": \"the queen\", \"second\": \"\", \"label\": 2}\n");
    write_config("words.conll", "the O\nking B-X\n\nsaw O\n");
    write_config("task.yaml", "output: task\nmodel: {init_from: run}\n"
                              "task: {kind: tokens, train: [words.conll], valid: [words.conll]}\n"
                              "train: {threads: 1, seeds: [3]}\n");
}

static int set_up(void **state)
{
    static struct scratch here = {.directory = "."};
    struct error error = {0};
    struct buffer text = {0};
    int status = run_config_enter_directory(state);
    omp_set_num_threads(1);
    for (int document = 0; document < 12; document++)
        assert_true(buffer_print(&text, &error, "the king saw %d\nand so on\n\n", document));
    write_config("text.txt", text.data);
    write_config("run.yaml", config_text);
    static const char record[] = "{\"text\": \"the queen\\nsaw\", \"id\": 5}\n";
    write_compressed(&here, "more.jsonl.gz", 0, record, sizeof record - 1);
    for (int i = 0; i < COMPRESSIONS; i++) {
        char name[20];
        snprintf(name, sizeof name, "packed.%s", compression_endings[i]);
        write_compressed(&here, name, i, text.data, text.size);
    }
    buffer_free(&text);
    struct program_result result = RUN_CLOZE("train", "run.yaml");
    if (result.status)
        fail_msg("%s", result.err);
    program_result_free(&result);
    assert_true(directory_make("lines", &error) && directory_make("saved", &error));
    assert_int_equal(rename("run/checkpoints/step-00000000", "model"), 0);
    assert_int_equal(system("cp run/vocab.txt model/tokenizer_config.json lines"), 0);
    write_batch();
    write_labelled();
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_program_ends_with_status_1),
    };
    return cmocka_run_group_tests(tests, set_up, run_config_leave_directory);
}
