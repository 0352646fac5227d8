#include "report/report_curves.h"

#include "report/page_assets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const columns[] = {"step",         "tokens",   "mlm_loss",
                                      "mlm_accuracy", "nsp_loss", "nsp_accuracy"};

enum { COLUMNS = sizeof columns / sizeof *columns };

static const char head[] = "step\ttokens\tmlm_loss\tmlm_accuracy\tnsp_loss\tnsp_accuracy\n";

/* Appends the numbers of a line, which ends at the first "\n", to the lists. Returns the start of
 * the next line; NULL if it has other things than numbers. An empty field is no number. */
static const char *take_row(json_t *curve, const char *line)
{
    for (int i = 0; i < COLUMNS; i++) {
        char *after;
        const bool empty = *line == '\t' || *line == '\n';
        const double value = empty ? NAN : strtod(line, &after);
        const char *end = empty ? line : after;
        if (*end != (i + 1 < COLUMNS ? '\t' : '\n') || (end == line && !empty))
            return NULL;
        json_array_append_new(json_object_get(curve, columns[i]),
                              isfinite(value) ? json_real(value) : json_null());
        line = end + 1;
    }
    return line;
}

json_t *report_curve_parse(const char *name, const char *text, struct error *error)
{
    const int size = (int)strcspn(name, "-.");
    const char *ending = strrchr(name, '.');
    json_t *curve =
        json_pack("{s:s%, s:s%}", "name", name, ending ? (size_t)(ending - name) : strlen(name),
                  "size", name, (size_t)size);
    bool done = curve && strncmp(text, head, sizeof head - 1) == 0;
    if (!done)
        fail_input(error, "%s:1: expected the names of the columns of a reference curve", name);
    for (int i = 0; i < COLUMNS && done; i++)
        done = json_put(curve, columns[i], json_array(), error);
    const char *line = text + sizeof head - 1;
    for (int number = 2; done && *line; number++) {
        line = take_row(curve, line);
        if (!line)
            done = fail_input(error, "%s:%d: expected %d numbers separated by tabs", name, number,
                              COLUMNS);
    }
    if (done)
        return curve;
    json_decref(curve);
    return NULL;
}

json_t *report_curves(struct error *error)
{
    json_t *curves = json_array();
    for (const struct page_asset *asset = page_curves; asset->name && curves; asset++) {
        json_t *curve = report_curve_parse(asset->name, asset->data, error);
        if (!curve || json_array_append_new(curves, curve) != 0) {
            json_decref(curves);
            return NULL;
        }
    }
    return curves;
}
