#include "base/log.h"

#include "base/wrap.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool understands_escapes(void)
{
    const char *terminal = getenv("TERM");
    return terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

struct log log_open(FILE *stream)
{
    return (struct log){.stream = stream,
                        .terminal = isatty(fileno(stream)) == 1 && understands_escapes()};
}

/* Returns the columns of the terminal; 0 if they are not known. */
static int stream_width(FILE *stream)
{
    struct winsize window;
    return ioctl(fileno(stream), TIOCGWINSZ, &window) == 0 ? window.ws_col : 0;
}

static int terminal_width(const struct log *log)
{
    return log->terminal ? stream_width(log->stream) : 0;
}

int log_width(const struct log *log)
{
    int width = log ? terminal_width(log) : 0;
    /* Some terminals wrap the line after a character in the last column. */
    return width > 1 && width <= LOG_WIDTH ? width - 1 : LOG_WIDTH;
}

int log_live_width(const struct log *log)
{
    return log ? terminal_width(log) : 0;
}

void log_end_live(struct log *log)
{
    if (!log || !log->live)
        return;
    fputs("\r\033[K", log->stream);
    fflush(log->stream);
    log->live = false;
}

/* Writes the message with its long lines broken. Returns false when memory is short. */
__attribute__((format(printf, 3, 0))) static bool say_wrapped(struct log *log, const char *prefix,
                                                              const char *format, va_list arguments)
{
    struct error ignored = {0};
    struct buffer wrapped = {0};
    char *message = NULL, *text = NULL;
    int columns = stream_width(log->stream);
    bool done = vasprintf(&message, format, arguments) >= 0 &&
                asprintf(&text, "%s%s", prefix, message) >= 0 &&
                wrap_message(&wrapped, text, columns > 1 ? columns - 1 : LOG_WIDTH, &ignored);
    if (done)
        fwrite(wrapped.data, 1, wrapped.size, log->stream);
    buffer_free(&wrapped);
    free(text);
    free(message);
    return done;
}

__attribute__((format(printf, 3, 0))) static void say(struct log *log, const char *prefix,
                                                      const char *format, va_list arguments)
{
    if (!log || !log->stream)
        return;
    log_end_live(log);
    log->said++;
    va_list again;
    va_copy(again, arguments);
    if (isatty(fileno(log->stream)) != 1 || !say_wrapped(log, prefix, format, again)) {
        fputs(prefix, log->stream);
        vfprintf(log->stream, format, arguments);
    }
    va_end(again);
    fputc('\n', log->stream);
    fflush(log->stream);
}

void log_line(struct log *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(log, "", format, arguments);
    va_end(arguments);
}

void log_warning(struct log *log, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(log, "warning: ", format, arguments);
    va_end(arguments);
    char *warning = NULL;
    va_start(arguments, format);
    if (log && log->listener && vasprintf(&warning, format, arguments) >= 0)
        log->listener(log->listener_context, warning);
    va_end(arguments);
    free(warning);
}

void log_listen(struct log *log, log_listener *listener, void *context)
{
    if (!log)
        return;
    log->listener = listener;
    log->listener_context = context;
}

/* Cuts a live line to `columns`, after a whole part of it: half a number would be another one. */
static void cut_live(char *line, int columns)
{
    size_t size = strlen(line);
    while (text_columns(line, size) > columns)
        size--;
    while (size > 0 && (line[size] & 0xC0) == 0x80) /* inside a character of UTF-8 */
        size--;
    char *end = NULL;
    for (char *at = line; (at = strstr(at, ", ")) != NULL && at <= line + size; at++)
        end = at;
    *(end ? end : line + size) = 0;
}

void log_live(struct log *log, const char *format, ...)
{
    if (!log || !log->terminal)
        return;
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    int width = terminal_width(log);
    if (width > 1 && text_columns(line, strlen(line)) >= width)
        cut_live(line, width - 1);
    /* The rest of the line is erased last: erased first, it would flicker. */
    fprintf(log->stream, "\r%s\033[K", line);
    fflush(log->stream);
    log->live = true;
}
