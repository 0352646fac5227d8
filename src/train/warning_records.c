#include "train/warning_records.h"

#include "base/file.h"
#include "base/json.h"
#include "report/record_file.h"

#include <stdlib.h>
#include <string.h>

static bool open_file(struct warning_records *records, struct error *error)
{
    if (records->file.descriptor >= 0)
        return true;
    append_file_close(&records->file); /* after an attempt that failed */
    return record_file_open(&records->file, records->path, records->last_step, error);
}

static bool put(struct warning_records *records, const char *warning, struct error *error)
{
    struct buffer line = {0};
    json_t *record = json_pack("{s:I, s:o}", "step", (json_int_t)*records->step, "warning",
                               json_text(warning, strlen(warning)));
    char *text = record ? json_dumps(record, 0) : NULL;
    bool done = text ? buffer_print(&line, error, "%s\n", text)
                     : fail_work(error, "out of memory: a warning");
    done = done && open_file(records, error) &&
           append_file_put(&records->file, line.data, line.size, error);
    free(text);
    json_decref(record);
    buffer_free(&line);
    return done;
}

static void keep(void *context, const char *warning)
{
    struct warning_records *records = context;
    struct error error = {0};
    const bool kept = records->path
                          ? put(records, warning, &error)
                          : buffer_append(&records->early, warning, strlen(warning) + 1, &error);
    const bool first = !kept && !records->lost; /* the warning of that comes here as well */
    records->lost = !kept;
    if (first)
        log_warning(records->log, "%s; the page of cloze report will lack warnings", error.message);
}

void warning_records_begin(struct warning_records *records, struct log *log)
{
    *records = (struct warning_records){.log = log, .file = {.descriptor = -1}};
    log_listen(log, keep, records);
}

bool warning_records_open(struct warning_records *records, const char *directory, int64_t last_step,
                          const int64_t *step, struct error *error)
{
    records->step = step;
    records->last_step = last_step;
    records->path = path_join(directory, "warnings.jsonl", error);
    if (!records->path || (path_is_taken(records->path) && !open_file(records, error)))
        return false;
    for (size_t at = 0; at < records->early.size; at += strlen(records->early.data + at) + 1)
        keep(records, records->early.data + at);
    return true;
}

void warning_records_close(struct warning_records *records)
{
    log_listen(records->log, NULL, NULL);
    append_file_close(&records->file);
    buffer_free(&records->early);
    free(records->path);
}
