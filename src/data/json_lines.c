#include "data/json_lines.h"

#include "base/json.h"

static bool parse(const struct text_lines *lines, const char *line, size_t size, const char *with,
                  json_t **object, struct error *error)
{
    const unsigned long long number = (unsigned long long)lines->number;
    json_error_t problem;
    if (!json_is_modest(line, size))
        return fail_input(error, "%s:%llu: holds more than %d JSON values", lines->name, number,
                          JSON_MAX_VALUES);
    *object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (!*object)
        return fail_input(error, "%s:%llu: is not JSON (%s); expected an object%s on each line",
                          lines->name, number, problem.text, with);
    return json_is_object(*object) ||
           fail_input(error, "%s:%llu: found %s; expected a JSON object%s", lines->name, number,
                      json_kind(*object), with);
}

bool json_lines_next(struct text_lines *lines, const char *with, json_t **object, bool *end,
                     struct error *error)
{
    const char *line;
    size_t size;
    json_decref(*object);
    *object = NULL;
    do {
        if (!text_lines_next(lines, &line, &size, end, error))
            return false;
        if (*end)
            return true;
    } while (line_is_blank(line, size));
    return parse(lines, line, size, with, object, error);
}
