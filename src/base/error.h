/* Errors of the outside world: files, text, configuration, memory, other processes.
 *
 * A function that can fail returns bool (or a pointer, NULL on failure) and takes a pointer to
 * struct error as its last argument, never NULL. On failure it has set a message that names the
 * file, line or key, what was found and what was expected; on success it has left the error alone.
 *
 *     if (width > limit)
 *         return fail_input(error, "%s: width is %d; expected at most %d", path, width, limit);
 *
 * A broken invariant of the program itself is a bug, not an error: CHECK ends the process. */
#ifndef CLOZE_BASE_ERROR_H
#define CLOZE_BASE_ERROR_H

#include <stdbool.h>

enum error_kind {
    ERROR_NONE = 0,
    ERROR_WORK = 1,          /* the work failed: no space, no memory, a dead disk */
    ERROR_INPUT = 2,         /* the user's input or usage is wrong */
    ERROR_INTERRUPTED = 130, /* stopped by a signal after a clean save */
};

/* The kind's value is the exit status of a command that ends with this error. */
struct error {
    enum error_kind kind;
    char message[2048];
};

/* Set the error from a format as printf's; a longer message is cut. Both return false. */
bool fail_work(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool fail_input(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like fail_work, but appends ": " and the text of the given errno value. */
bool fail_errno(struct error *error, int number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "FORMAT: " before the message of an error that is set already and keeps its kind. Returns
 * false. */
bool fail_context(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* If the condition is false, prints it with file and line to stderr and aborts; in every build. */
#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

_Noreturn void check_failed(const char *condition, const char *file, int line);

#endif
