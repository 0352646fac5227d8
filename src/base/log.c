#include "base/log.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct log log_open(FILE *stream)
{
    return (struct log){.stream = stream, .terminal = isatty(fileno(stream)) == 1};
}

void log_end_live(struct log *log)
{
    if (!log || !log->live)
        return;
    fputs("\r\033[K", log->stream);
    fflush(log->stream);
    log->live = false;
}

__attribute__((format(printf, 3, 0))) static void say(struct log *log, const char *prefix,
                                                      const char *format, va_list arguments)
{
    if (!log)
        return;
    log_end_live(log);
    fputs(prefix, log->stream);
    vfprintf(log->stream, format, arguments);
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
    struct winsize window;
    if (ioctl(fileno(log->stream), TIOCGWINSZ, &window) == 0 && window.ws_col > 1 &&
        window.ws_col < sizeof line)
        line[window.ws_col - 1] = 0;
    fprintf(log->stream, "\r\033[K%s", line);
    fflush(log->stream);
    log->live = true;
}

struct text32 format_count(unsigned long long count)
{
    struct text32 result = {0};
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", count);
    char *out = result.text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    return result;
}

struct text32 format_bytes(unsigned long long bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct text32 result;
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 1024) {
        value /= 1024;
        unit++;
    }
    int decimals = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    snprintf(result.text, sizeof result.text, "%.*f %s", decimals, value, units[unit]);
    return result;
}

struct text32 format_duration(double seconds)
{
    struct text32 result = {"?"};
    if (!(seconds >= 0 && seconds < 1e12))
        return result;
    long long whole = (long long)(seconds + 0.5);
    if (seconds < 9.95)
        snprintf(result.text, sizeof result.text, "%.1fs", seconds);
    else if (whole < 60)
        snprintf(result.text, sizeof result.text, "%llds", whole);
    else if (whole < 3600)
        snprintf(result.text, sizeof result.text, "%lldm %02llds", whole / 60, whole % 60);
    else if (whole < 86400)
        snprintf(result.text, sizeof result.text, "%lldh %02lldm", whole / 3600, whole / 60 % 60);
    else
        snprintf(result.text, sizeof result.text, "%lldd %02lldh", whole / 86400,
                 whole / 3600 % 24);
    return result;
}
