/* Progress and diagnostics for a person, on stderr; results are written elsewhere. */
#ifndef CLOZE_BASE_LOG_H
#define CLOZE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Hears a warning, without "warning: ", after it was written. */
typedef void log_listener(void *context, const char *warning);

/* A log is used by one thread at a time. All functions but log_open accept NULL and are then
 * silent. */
struct log {
    FILE *stream;           /* NULL: nothing is written */
    bool terminal;          /* whether live lines can be drawn and erased */
    bool live;              /* whether a live line is on the screen now */
    uint64_t said;          /* number of lines and warnings so far, without live lines */
    log_listener *listener; /* NULL: nobody listens */
    void *listener_context; /* not owned */
};

/* The columns that every line of the log fits into, except for a path at its end. */
enum { LOG_WIDTH = 80 };

/* Opens a log. The stream counts as a terminal if it is one that understands escape sequences: TERM
 * must be set, and not to "dumb". */
struct log log_open(FILE *stream);

/* Returns the columns that a line may have without being wrapped or cut: LOG_WIDTH, or fewer on a
 * narrower terminal. */
int log_width(const struct log *log);

/* Returns the columns of a live line: those of the terminal; 0 where there is none. */
int log_live_width(const struct log *log);

/* Writes one line; the newline is added. A live line on the screen is erased first. On a terminal
 * of any kind a text that is longer than its lines is broken at spaces (base/wrap.h); in files and
 * pipes it stays one line. */
void log_line(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes a line that begins with "warning: ". */
void log_warning(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes a function hear the warnings from now on, in place of another one; NULL: none. */
void log_listen(struct log *log, log_listener *listener, void *context);

/* Replaces the live line of a terminal by another one. One that is wider than the terminal is cut
 * before the last ", " that would be on it, or else at the last column but one. Does nothing on
 * other streams. */
void log_live(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Erases the live line if there is one. Call it before something else writes to the terminal. */
void log_end_live(struct log *log);

#endif
