#include "report/report_warnings.h"

#include "base/file.h"
#include "report/record_file.h"

struct reader {
    const char *path;
    json_t *list;
};

static bool is_known(const json_t *list, const json_t *warning)
{
    size_t index;
    const json_t *record;
    json_array_foreach (list, index, record)
        if (json_equal(json_object_get(record, "warning"), warning))
            return true;
    return false;
}

static bool take_warning(void *context, const struct record_line *line, struct error *error)
{
    const struct reader *reader = context;
    const json_t *warning = json_object_get(line->record, "warning");
    if (!json_is_string(warning))
        return fail_input(error, "%s:%d: expected a text as \"warning\"; found %s", reader->path,
                          line->number, warning ? json_kind(warning) : "none");
    return is_known(reader->list, warning) || json_array_append(reader->list, line->record) == 0 ||
           fail_work(error, "out of memory: the records of %s", reader->path);
}

json_t *report_warnings_read(const char *path, struct error *error)
{
    struct reader reader = {path, json_array()};
    if (!path_is_taken(path) || record_file_read(path, take_warning, &reader, error))
        return reader.list;
    json_decref(reader.list);
    return NULL;
}
