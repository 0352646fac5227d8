#include "checkpoint/tokenizer_source.h"

#include "base/directory.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "model/sentence_transformers.h"

#include <stdlib.h>

/* Returns the path that tokenizer_open reads; owned by the caller. */
static char *find_source(const char *path, struct log *log, struct error *error)
{
    char *latest = NULL;
    bool run = false, json = false;
    if (path_is_directory(path) &&
        (!sentence_transformers_find(path, &latest, NULL, error) || latest))
        return latest;
    if (path_is_directory(path) && (!directory_holds(path, "checkpoints", &run, error) ||
                                    !directory_holds(path, "tokenizer.json", &json, error)))
        return NULL;
    if (run && !json && !checkpoint_find_latest(path, &latest, log, error))
        return NULL;
    return latest ? latest : path_join("", path, error);
}

struct tokenizer *tokenizer_source_open(const char *path, const struct tokenizer_wish *wish,
                                        struct log *log, struct error *error)
{
    char *source = find_source(path, log, error);
    struct tokenizer *tokenizer = source ? tokenizer_open(source, wish, error) : NULL;
    if (tokenizer)
        tokenizer_log_note(tokenizer, log);
    free(source);
    return tokenizer;
}
