#include "train/ranks.h"

#include "base/file.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/min.h"
#include "config/config_print.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the configuration ---- */

/* Appends the configuration without what ranks may have of their own: threads and paths. */
static bool print_common(const struct run_config *config, struct buffer *text, struct error *error)
{
    struct run_config common = *config;
    char here[] = ".";
    common.output = here;
    common.train.threads = 0;
    common.data.train.count = common.data.valid.count = 0;
    common.tokenizer.vocab = common.model.init_from = NULL;
    return config_print(&common, false, text, error);
}

/* A text that is read line by line. */
struct lines {
    const char *line;
    int size;            /* of the line, without its end */
    const char *section; /* the last line that is not indented, "train:" */
    int section_size;
};

static void look(struct lines *lines)
{
    lines->size = (int)strcspn(lines->line, "\n");
    if (lines->size && lines->line[0] != ' ') {
        lines->section = lines->line;
        lines->section_size = lines->size;
    }
}

static void go_on(struct lines *lines)
{
    lines->line += lines->size + 1;
    look(lines);
}

static bool same_line(const struct lines *a, const struct lines *b)
{
    return a->size == b->size && memcmp(a->line, b->line, (size_t)a->size) == 0;
}

/* Fails with the first line in which two configurations differ, which begin alike. */
static bool fail_difference(const char *own, const char *other, const char *path,
                            struct error *error)
{
    struct lines here = {.line = own}, there = {.line = other};
    for (look(&here), look(&there); same_line(&here, &there);) {
        go_on(&here);
        go_on(&there);
    }
    const int indent = (int)strspn(here.line, " "), other_indent = (int)strspn(there.line, " ");
    const bool nested = indent && here.section_size > 1;
    return fail_input(error, "%s: differs from the configuration of rank 0: %.*s%s%.*s; there %.*s",
                      path, nested ? here.section_size - 1 : 0, nested ? here.section : "",
                      nested ? "." : "", here.size - indent, here.line + indent,
                      there.size - other_indent, there.line + other_indent);
}

bool ranks_compare(const struct run_config *config, struct process_group *group,
                   struct error *error)
{
    struct buffer own = {0};
    bool done = process_group_agree(group, print_common(config, &own, error), error);
    uint64_t size = own.size;
    char *other = NULL;
    if (done) {
        process_group_broadcast(group, &size, sizeof size);
        other = allocate(size + 1, 1, error);
        done = process_group_agree(group, other, error);
    }
    if (done) {
        if (process_group_leads(group))
            memcpy(other, own.data, size);
        process_group_broadcast(group, other, size);
        done = process_group_agree(group,
                                   (own.size == size && memcmp(own.data, other, size) == 0) ||
                                       fail_difference(own.data, other, config->common.path, error),
                                   error);
    }
    free(other);
    buffer_free(&own);
    return done;
}

/* ---- joining ---- */

/* What the other ranks need to join the run of rank 0. */
struct invitation {
    int64_t step; /* of its checkpoint */
    bool is_new;
};

/* Waits for a checkpoint that rank 0 has just written: a network file system may remember for a
 * while that there was none. */
static void wait_for_checkpoint(const struct run_config *config, int64_t step)
{
    const struct timespec moment = {.tv_nsec = 100000000L};
    const double until = machine_seconds() + config->train.rank_timeout;
    struct error ignored = {0};
    char *path = checkpoint_path(config->output, step, &ignored);
    while (path && !path_exists(path) && machine_seconds() < until)
        nanosleep(&moment, NULL);
    free(path);
}

bool ranks_join(struct run **run, bool *is_new, const struct run_config *config,
                struct process_group *group, struct log *log, struct error *error)
{
    struct invitation invitation = {.is_new = *is_new};
    if (process_group_leads(group))
        invitation.step = (*run)->state.step;
    process_group_broadcast(group, &invitation, sizeof invitation);
    *is_new = invitation.is_new;
    if (!process_group_leads(group)) {
        wait_for_checkpoint(config, invitation.step);
        *run = run_join(config, invitation.step, group, log, error);
    }
    return process_group_agree(group, *run, error);
}

/* ---- what ranks must have in common ---- */

struct facts {
    uint64_t vocabulary, train_data, valid_data; /* hashes */
    int64_t steps;
    int64_t micro_batch_size; /* that this rank has planned */
};

static const char *difference(const struct facts *a, const struct facts *b)
{
    return a->vocabulary != b->vocabulary   ? "has another vocabulary than"
           : a->train_data != b->train_data ? "has other training data than"
           : a->valid_data != b->valid_data ? "has other held-out data than"
           : a->steps != b->steps           ? "has another number of steps than"
                                            : NULL;
}

/* Fails with the first thing in which a rank differs from rank 0. */
static bool compare_facts(const struct facts *all, struct process_group *group, struct error *error)
{
    for (int rank = 1; rank < process_group_size(group); rank++) {
        const char *what = difference(&all[0], &all[rank]);
        if (what)
            return fail_input(error, "%s %s rank 0", process_group_name(group, rank).text, what);
    }
    return true;
}

/* Gives all ranks the same micro-batch size: the smallest that a rank has planned. Those of a
 * resumed run have planned the one that it had. */
static bool adopt_micro_batch_size(struct run *run, const struct facts *all, struct error *error)
{
    struct memory_request request = run->request;
    int64_t size = all[0].micro_batch_size;
    for (int rank = 1; rank < process_group_size(run->group); rank++)
        size = min_int64(size, all[rank].micro_batch_size);
    request.micro_batch_size = (int)size;
    run->state.micro_batch_size = size;
    return memory_plan_make(&run->plan, &request, run->plan.available, error);
}

bool ranks_meet(struct run *run, struct exchange **exchange, struct error *error)
{
    const struct exchange_options options = run_exchange_options(run->config);
    const struct facts own = {
        .vocabulary = vocabulary_hash(tokenizer_vocabulary(run->tokenizer)),
        .train_data = run->train_hash,
        .valid_data = run->valid_hash,
        .steps = run->steps,
        .micro_batch_size = run->plan.micro_batch_size,
    };
    struct facts *all = allocate((size_t)process_group_size(run->group), sizeof *all, error);
    bool done = process_group_agree(run->group, all, error);
    if (done) {
        process_group_gather(run->group, &own, sizeof own, all);
        done = process_group_agree(
            run->group,
            compare_facts(all, run->group, error) && adopt_micro_batch_size(run, all, error) &&
                exchange_open(exchange, run->group, &run->trainee, &options, error),
            error);
    }
    free(all);
    return done;
}
