#include "report/table.h"

#include <stdarg.h>
#include <string.h>

void table_cell(struct table_row *row, int width, const char *title, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t used = strlen(row->cells), titles = strlen(row->head);
    snprintf(row->head + titles, sizeof row->head - titles, "%*s", width + (int)(used - titles),
             title);
    snprintf(row->cells + used, sizeof row->cells - used, "%*s", width, text);
}

static void log_head(struct table *table, const char *head, struct log *log)
{
    enum { ROWS_FOR_A_HEAD = 40 };
    bool again = strcmp(table->head, head) != 0 || table->said != log->said ||
                 table->rows >= ROWS_FOR_A_HEAD;
    if (!again)
        return;
    log_line(log, "%s", head);
    snprintf(table->head, sizeof table->head, "%s", head);
    table->rows = 0;
    table->said = log->said;
}

void table_log(struct table *table, const struct table_row *row, bool final, struct log *log)
{
    if (!log || (!final && !log->terminal))
        return;
    log_head(table, row->head, log);
    if (!final) {
        log_live(log, "%s", row->cells);
        return;
    }
    log_line(log, "%s", row->cells);
    table->rows++;
    table->said = log->said;
}
