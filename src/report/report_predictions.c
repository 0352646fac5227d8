#include "report/report_predictions.h"

#include "base/affix.h"
#include "base/buffer.h"
#include "base/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A line has some 40 bytes. */
#define FILE_LIMIT ((size_t)1 << 32)

enum { MAX_POINTS = 2000 };

/* Columns, from 0, of a file: `file` and `line` come first, of words also `word`. */
struct columns {
    int label; /* the prediction is in the next one */
    int count;
};

struct field {
    const char *text;
    size_t size;
};

/* ---- lines ---- */

/* Recognizes the file by its first line; sets *columns. */
static bool read_head(const char *text, struct columns *columns)
{
    static const struct {
        const char *line;
        struct columns columns;
    } heads[] = {{"file\tline\tlabel\tpredicted\tprobability\n", {2, 5}},
                 {"file\tline\tlabel\tpredicted\n", {2, 4}},
                 {"file\tline\tword\tlabel\tpredicted\tprobability\n", {3, 6}}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (begins_with(text, heads[i].line)) {
            *columns = heads[i].columns;
            return true;
        }
    return false;
}

/* Finds label and prediction of a line, counting from its end: a file's name may hold a tab. False
 * if there are fewer columns. */
static bool find_fields(const char *line, const char *end, struct columns columns,
                        struct field fields[2])
{
    for (int column = columns.count - 1; column >= columns.label; column--) {
        const char *tab = memrchr(line, '\t', (size_t)(end - line));
        if (!tab)
            return false;
        if (column - columns.label < 2)
            fields[column - columns.label] = (struct field){tab + 1, (size_t)(end - tab - 1)};
        end = tab;
    }
    return true;
}

/* ---- labels and numbers ---- */

static bool count_pair(json_t *pairs, const struct field fields[2], struct error *error)
{
    const size_t size = (size_t)(fields[1].text + fields[1].size - fields[0].text);
    json_t *key = json_text(fields[0].text, size);
    json_t *count = json_object_get(pairs, json_string_value(key));
    bool done = true;
    if (count)
        json_integer_set(count, json_integer_value(count) + 1);
    else
        done = json_put(pairs, json_string_value(key), json_integer(1), error);
    json_decref(key);
    return done;
}

/* False if a field is not a number as a whole. */
static bool read_point(const struct field fields[2], double point[2])
{
    for (int i = 0; i < 2; i++) {
        char *end;
        point[i] = strtod(fields[i].text, &end);
        if (end == fields[i].text || end != fields[i].text + fields[i].size)
            return false;
    }
    return true;
}

/* A model whose numbers are not finite predicts nothing that could be drawn. */
static bool add_point(json_t *points, const double point[2], struct error *error)
{
    return !isfinite(point[0]) || !isfinite(point[1]) ||
           json_array_append_new(points, json_pack("[f, f]", point[0], point[1])) == 0 ||
           fail_work(error, "out of memory: the points of predictions.tsv");
}

static bool is_numbers(struct columns columns)
{
    return columns.count == 4;
}

static bool take_lines(const struct buffer *text, const char *path, struct columns columns,
                       json_t *result, struct error *error)
{
    const char *end = text->data + text->size;
    const char *line = strchr(text->data, '\n') + 1;
    for (int number = 2; line < end; number++) {
        struct field fields[2];
        double point[2] = {0};
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline || !find_fields(line, newline, columns, fields) ||
            (is_numbers(columns) && !read_point(fields, point)))
            return fail_input(error, "%s:%d: expected %d columns separated by tabs%s", path, number,
                              columns.count,
                              is_numbers(columns) ? ", label and prediction being numbers" : "");
        if (is_numbers(columns) ? !add_point(json_object_get(result, "points"), point, error)
                                : !count_pair(json_object_get(result, "pairs"), fields, error))
            return false;
        line = newline + 1;
    }
    return true;
}

/* Leaves every k-th point, at most MAX_POINTS. */
static json_t *thin_points(const json_t *points)
{
    const size_t count = json_array_size(points), stride = (count + MAX_POINTS - 1) / MAX_POINTS;
    json_t *kept = json_array();
    for (size_t i = 0; i < count && kept; i += stride)
        kept = json_append(kept, json_incref(json_array_get(points, i)));
    return kept;
}

static json_t *take_file(const struct buffer *text, const char *path, struct error *error)
{
    struct columns columns;
    if (!text->size || !read_head(text->data, &columns)) {
        fail_input(error, "%s:1: expected the names of the columns of predictions.tsv", path);
        return NULL;
    }
    const bool numbers = is_numbers(columns);
    json_t *result = numbers ? json_pack("{s:[]}", "points") : json_pack("{s:{}}", "pairs");
    bool done = take_lines(text, path, columns, result, error);
    if (done && numbers) {
        const json_t *points = json_object_get(result, "points");
        done =
            json_put(result, "count", json_integer((json_int_t)json_array_size(points)), error) &&
            json_put(result, "points", thin_points(points), error);
    }
    if (done)
        return result;
    json_decref(result);
    return NULL;
}

json_t *report_predictions_read(const char *path, struct error *error)
{
    struct buffer text = {0};
    json_t *result =
        file_read(path, FILE_LIMIT, &text, error) ? take_file(&text, path, error) : NULL;
    buffer_free(&text);
    return result;
}
