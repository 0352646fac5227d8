#include "report/report_fills.h"

#include "base/file.h"
#include "report/record_file.h"

#include <stdbool.h>

struct reader {
    const char *path;
    json_t *list;
};

static json_int_t step_at(const json_t *list, size_t index)
{
    return json_integer_value(json_object_get(json_array_get(list, index), "step"));
}

static bool is_fill(const json_t *record)
{
    size_t index;
    const json_t *token, *fill = json_object_get(record, "fill");
    bool valid = json_is_string(json_object_get(record, "text")) &&
                 json_is_string(json_object_get(record, "word")) && json_is_array(fill);
    json_array_foreach (fill, index, token)
        valid = valid && json_is_number(json_object_get(token, "score")) &&
                json_is_string(json_object_get(token, "token_str"));
    return valid;
}

/* Removes the records of later steps, and that of the same sentence after this step. */
static void forget(json_t *list, json_int_t step, const json_t *text)
{
    for (size_t i = json_array_size(list); i > 0 && step_at(list, i - 1) >= step; i--)
        if (step_at(list, i - 1) > step ||
            json_equal(json_object_get(json_array_get(list, i - 1), "text"), text))
            json_array_remove(list, i - 1);
}

static bool take_fill(void *context, const struct record_line *line, struct error *error)
{
    const struct reader *reader = context;
    if (!is_fill(line->record))
        return fail_input(error,
                          "%s:%d: expected \"text\", \"word\" and, in \"fill\", objects with "
                          "\"score\" and \"token_str\"",
                          reader->path, line->number);
    forget(reader->list, line->step, json_object_get(line->record, "text"));
    return json_array_append(reader->list, line->record) == 0 ||
           fail_work(error, "out of memory: the records of %s", reader->path);
}

static size_t count_steps(const json_t *list)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        count += i == 0 || step_at(list, i) != step_at(list, i - 1);
    return count;
}

/* True if the step with this number among `count` is one of `kept` that are spread over them. */
static bool is_kept(size_t number, size_t count, size_t kept)
{
    if (count <= kept)
        return true;
    for (size_t i = 0; i < kept; i++)
        if (number == i * (count - 1) / (kept - 1))
            return true;
    return false;
}

json_t *report_fills_read(const char *path, size_t steps, struct error *error)
{
    struct reader reader = {path, json_array()};
    CHECK(steps >= 2);
    if (path_is_taken(path) && !record_file_read(path, take_fill, &reader, error)) {
        json_decref(reader.list);
        return NULL;
    }
    const size_t count = count_steps(reader.list);
    json_t *kept = json_array();
    for (size_t i = 0, number = 0; i < json_array_size(reader.list) && kept; i++) {
        number += i > 0 && step_at(reader.list, i) != step_at(reader.list, i - 1);
        if (is_kept(number, count, steps))
            kept = json_append(kept, json_incref(json_array_get(reader.list, i)));
    }
    json_decref(reader.list);
    return kept;
}
