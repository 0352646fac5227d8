#include "cli/minimal_pairs.h"

#include "base/format.h"
#include "base/machine.h"
#include "base/memory.h"
#include "cli/model_operand.h"
#include "data/minimal_pairs.h"
#include "model/pseudo_likelihood.h"
#include "report/interval.h"
#include "text/text_encoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- counts ---- */

struct count {
    int64_t pairs, ties;
    double right; /* a tie counts half */
};

static const size_t NO_GROUP = SIZE_MAX;

/* The pairs that have the same field, or the same UID. */
struct group {
    char *name;   /* owned */
    size_t field; /* the group of the field of its first pair, for a UID; NO_GROUP if it has none */
    struct count count;
};

struct groups {
    struct group *items;
    size_t count, capacity;
    json_t *indices; /* of the groups, by name */
};

/* Adds a group without pairs. */
static bool add_group(struct groups *groups, const char *name, size_t field, struct error *error)
{
    if (!grow(&groups->items, &groups->capacity, groups->count + 1, sizeof *groups->items, error))
        return false;
    char *copy = strdup(name);
    if (!copy ||
        json_object_set_new(groups->indices, name, json_integer((json_int_t)groups->count)) != 0) {
        free(copy);
        return fail_work(error, "out of memory: the name of a group of pairs");
    }
    groups->items[groups->count++] = (struct group){.name = copy, .field = field};
    return true;
}

/* Sets *index to the group with this name, adding it if there is none. */
static bool find_group(struct groups *groups, const char *name, size_t field, size_t *index,
                       struct error *error)
{
    const json_t *found = json_object_get(groups->indices, name);
    *index = found ? (size_t)json_integer_value(found) : groups->count;
    return found || add_group(groups, name, field, error);
}

static void free_groups(struct groups *groups)
{
    for (size_t i = 0; i < groups->count; i++)
        free(groups->items[i].name);
    free(groups->items);
    json_decref(groups->indices);
}

/* ---- scoring ---- */

/* The pairs whose scores are computed together. */
enum { BLOCK_PAIRS = 256 };

enum { GOOD, BAD };

struct pair {
    double scores[2];
    const char *path; /* where it was read */
    uint64_t line;
    bool same_tokens;  /* a tie, whatever rounding says */
    size_t field, uid; /* indices of groups; NO_GROUP */
};

struct judgement {
    const struct model *model;
    struct text_encoder *encoder;
    struct pseudo_likelihood *scorer;
    struct log *log;
    struct pair pairs[BLOCK_PAIRS];
    int count;
    int32_t *good_ids; /* of the pair that is being read */
    size_t good_capacity;
    uint64_t unknown, tokens; /* [UNK] among all tokens */
    int trained;              /* tokens of the longest sequences in the model's training */
    uint64_t longer;          /* sentences that are longer */
    int32_t unknown_id;

    struct count all;
    struct groups fields, uids;
};

static void add_to(struct count *count, double right)
{
    count->pairs++;
    count->ties += right == 0.5;
    count->right += right;
}

/* Counts the pairs that have been read since the last call. */
static bool count_block(struct judgement *judgement, struct error *error)
{
    pseudo_likelihood_finish(judgement->scorer);
    for (int i = 0; i < judgement->count; i++) {
        const struct pair *pair = &judgement->pairs[i];
        const double difference = pair->scores[GOOD] - pair->scores[BAD];
        if (!isfinite(difference))
            return fail_not_finite(pair->path, pair->line, error);
        const double right = pair->same_tokens || difference == 0 ? 0.5 : difference > 0 ? 1 : 0;
        add_to(&judgement->all, right);
        if (pair->field != NO_GROUP)
            add_to(&judgement->fields.items[pair->field].count, right);
        if (pair->uid != NO_GROUP)
            add_to(&judgement->uids.items[pair->uid].count, right);
    }
    judgement->count = 0;
    log_live(judgement->log, "%s: accuracy %.1f %%",
             format_number_of((unsigned long long)judgement->all.pairs, "pair").text,
             100 * judgement->all.right / (double)judgement->all.pairs);
    return true;
}

/* Adds a sentence of a pair to those to be scored. *ids belong to the encoder until its next
 * call. */
static bool add_sentence(struct judgement *judgement, const char *path,
                         const struct minimal_pair *read, int which, const int32_t **ids,
                         size_t *count, struct error *error)
{
    static const char *const keys[] = {[GOOD] = "sentence_good", [BAD] = "sentence_bad"};
    const char *text = which == GOOD ? read->good : read->bad;
    const int positions = judgement->model->config.max_position_embeddings;
    const unsigned long long line = (unsigned long long)read->line;
    if (!text_encoder_encode(judgement->encoder, text, strlen(text), ids, count, error))
        return false;
    if (*count == 0)
        return fail_input(error, "%s:%llu: \"%s\" has no word", path, line, keys[which]);
    if (*count + 2 > (size_t)positions)
        return fail_input(error,
                          "%s:%llu: \"%s\" has %zu tokens with [CLS] and [SEP]; the model takes "
                          "%d",
                          path, line, keys[which], *count + 2, positions);
    for (size_t i = 0; i < *count; i++)
        judgement->unknown += (*ids)[i] == judgement->unknown_id;
    judgement->tokens += *count;
    judgement->longer += *count + 2 > (size_t)judgement->trained;
    pseudo_likelihood_add(judgement->scorer, *ids, (int)*count,
                          &judgement->pairs[judgement->count].scores[which]);
    return true;
}

static bool add_pair(struct judgement *judgement, const char *path, const struct minimal_pair *read,
                     struct error *error)
{
    struct pair *pair = &judgement->pairs[judgement->count];
    const int32_t *ids;
    size_t good_count, count;
    *pair = (struct pair){.path = path, .line = read->line, .field = NO_GROUP, .uid = NO_GROUP};
    if (read->field && !find_group(&judgement->fields, read->field, NO_GROUP, &pair->field, error))
        return false;
    if (read->uid && !find_group(&judgement->uids, read->uid, pair->field, &pair->uid, error))
        return false;
    if (!add_sentence(judgement, path, read, GOOD, &ids, &good_count, error) ||
        !grow(&judgement->good_ids, &judgement->good_capacity, good_count,
              sizeof *judgement->good_ids, error))
        return false;
    memcpy(judgement->good_ids, ids, good_count * sizeof *ids);
    if (!add_sentence(judgement, path, read, BAD, &ids, &count, error))
        return false;
    pair->same_tokens =
        count == good_count && memcmp(ids, judgement->good_ids, count * sizeof *ids) == 0;
    return ++judgement->count < BLOCK_PAIRS || count_block(judgement, error);
}

static bool add_file(struct judgement *judgement, const char *path, struct error *error)
{
    struct minimal_pairs *reader = minimal_pairs_open(path, error);
    struct minimal_pair pair;
    bool end = false, done = reader;
    while (done && !end)
        done = minimal_pairs_next(reader, &pair, &end, error) &&
               (end || add_pair(judgement, path, &pair, error));
    minimal_pairs_close(reader);
    return done;
}

static bool add_files(struct judgement *judgement, const struct string_list *files,
                      struct error *error)
{
    for (size_t i = 0; i < files->count; i++) {
        const int64_t before = judgement->all.pairs + judgement->count;
        if (!add_file(judgement, files->items[i], error))
            return false;
        if (judgement->all.pairs + judgement->count == before)
            return fail_input(error, "%s: has no pairs", files->items[i]);
    }
    return !judgement->count || count_block(judgement, error);
}

/* ---- output ---- */

static double accuracy_of(const struct count *count)
{
    return count->right / (double)count->pairs;
}

/* The accuracy of each group under its name. */
static json_t *groups_json(const struct groups *groups)
{
    json_t *object = json_object();
    for (size_t i = 0; i < groups->count; i++)
        json_object_set_new(object, groups->items[i].name,
                            json_real(accuracy_of(&groups->items[i].count)));
    return object;
}

static json_t *judgement_json(const struct judgement *judgement)
{
    const struct interval interval = accuracy_interval(judgement->all.right, judgement->all.pairs);
    return json_pack("{s:f, s:[f, f], s:I, s:I, s:o, s:o}", "accuracy",
                     accuracy_of(&judgement->all), "accuracy_interval", interval.low, interval.high,
                     "pairs", (json_int_t)judgement->all.pairs, "ties",
                     (json_int_t)judgement->all.ties, "by_field", groups_json(&judgement->fields),
                     "by_uid", groups_json(&judgement->uids));
}

/* Prints a name from a file; control characters must not reach the terminal. */
static void print_name(int indent, const char *name)
{
    int width = 50 - indent;
    printf("%*s", indent, "");
    for (; *name; name++, width--)
        putchar((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name);
    printf("%*s", width > 0 ? width : 0, "");
}

static void print_count(int indent, const char *name, const struct count *count)
{
    const struct interval interval = accuracy_interval(count->right, count->pairs);
    print_name(indent, name);
    printf(" %8s %6.1f %% [%.1f, %.1f]\n", format_count((unsigned long long)count->pairs).text,
           100 * accuracy_of(count), 100 * interval.low, 100 * interval.high);
}

static void print_uids(const struct groups *uids, size_t field)
{
    for (size_t i = 0; i < uids->count; i++)
        if (uids->items[i].field == field)
            print_count(2, uids->items[i].name, &uids->items[i].count);
}

static void print_judgement(const struct judgement *judgement)
{
    printf("accuracy of preferring the good sentence; guessing would give 50 %%\n");
    printf("%-50s %8s %8s 95 %% interval\n", "", "pairs", "accuracy");
    print_count(0, "all", &judgement->all);
    for (size_t i = 0; i < judgement->fields.count; i++) {
        print_count(0, judgement->fields.items[i].name, &judgement->fields.items[i].count);
        print_uids(&judgement->uids, i);
    }
    print_uids(&judgement->uids, NO_GROUP);
    if (judgement->all.ties)
        printf("%s; each counts half\n",
               format_number_of((unsigned long long)judgement->all.ties, "tie").text);
}

/* ---- the evaluation ---- */

static bool evaluate_files(struct judgement *judgement, const struct tokenizer *tokenizer,
                           const struct string_list *files, int threads, struct error *error)
{
    const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
    judgement->unknown_id = vocabulary_special(vocabulary, SPECIAL_UNK);
    judgement->encoder = text_encoder_create(tokenizer, error);
    judgement->scorer = judgement->encoder
                            ? pseudo_likelihood_create(judgement->model, vocabulary, threads, error)
                            : NULL;
    if (!judgement->scorer || !add_files(judgement, files, error))
        return false;
    log_end_live(judgement->log);
    warn_of_unknown_tokens(judgement->log, judgement->unknown, judgement->tokens);
    if (judgement->longer)
        log_warning(judgement->log, "%s of more than the %d tokens of the model's training",
                    format_number_of(judgement->longer, "sentence").text, judgement->trained);
    return true;
}

bool minimal_pairs_evaluate(const struct model *model, const struct tokenizer *tokenizer,
                            const struct string_list *files, int trained, int threads, bool json,
                            struct log *log, struct error *error)
{
    struct judgement *judgement = allocate(1, sizeof *judgement, error);
    if (!judgement)
        return false;
    judgement->model = model;
    judgement->log = log;
    judgement->trained = trained;
    judgement->fields.indices = json_object();
    judgement->uids.indices = json_object();
    bool done = evaluate_files(judgement, tokenizer, files, threads, error);
    log_end_live(log);
    if (done && json)
        done = command_print_json(judgement_json(judgement), error);
    else if (done)
        print_judgement(judgement);
    pseudo_likelihood_free(judgement->scorer);
    text_encoder_free(judgement->encoder);
    free_groups(&judgement->fields);
    free_groups(&judgement->uids);
    free(judgement->good_ids);
    free(judgement);
    return done;
}
