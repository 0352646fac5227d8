#include "report/fill_ins.h"

#include "base/buffer.h"
#include "base/json.h"

#include <stdlib.h>

/* Returns NULL when memory is short. */
static json_t *to_json(int64_t step, const struct fill_in *item)
{
    json_t *fill = json_array();
    for (int i = 0; i < FILL_IN_TOP && fill; i++)
        fill = json_append(fill, json_pack("{s:f, s:s}", "score", item->top[i].probability,
                                           "token_str", item->top[i].token));
    return json_pack("{s:I, s:s, s:s, s:o}", "step", (json_int_t)step, "text", item->text, "word",
                     item->word, "fill", fill);
}

static bool put_line(struct buffer *lines, int64_t step, const struct fill_in *item,
                     struct error *error)
{
    enum { DIGITS = 4 };
    json_t *record = to_json(step, item);
    char *line = record ? json_dumps(record, JSON_REAL_PRECISION(DIGITS)) : NULL;
    bool done = line ? buffer_print(lines, error, "%s\n", line)
                     : fail_work(error, "out of memory: the fill-ins of an evaluation");
    free(line);
    json_decref(record);
    return done;
}

bool fill_ins_write(struct append_file *file, int64_t step, const struct fill_ins *fills,
                    struct error *error)
{
    struct buffer lines = {0};
    bool done = true;
    for (int i = 0; i < fills->count && done; i++)
        done = put_line(&lines, step, &fills->items[i], error);
    done = done && (lines.size == 0 || append_file_put(file, lines.data, lines.size, error));
    buffer_free(&lines);
    return done;
}
