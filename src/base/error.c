#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void set(struct error *error, enum error_kind kind,
                                                      const char *format, va_list arguments)
{
    error->kind = kind;
    vsnprintf(error->message, sizeof error->message, format, arguments);
}

bool fail_work(struct error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set(error, ERROR_WORK, format, arguments);
    va_end(arguments);
    return false;
}

bool fail_input(struct error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set(error, ERROR_INPUT, format, arguments);
    va_end(arguments);
    return false;
}

bool fail_errno(struct error *error, int number, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    set(error, ERROR_WORK, format, arguments);
    va_end(arguments);
    size_t used = strlen(error->message);
    snprintf(error->message + used, sizeof error->message - used, ": %s", strerror(number));
    return false;
}

bool fail_context(struct error *error, const char *format, ...)
{
    char inner[sizeof error->message];
    memcpy(inner, error->message, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    set(error, error->kind, format, arguments);
    va_end(arguments);
    size_t used = strlen(error->message);
    snprintf(error->message + used, sizeof error->message - used, ": %s", inner);
    return false;
}

_Noreturn void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "cloze: internal error: CHECK(%s) failed at %s:%d\n", condition, file, line);
    abort();
}
