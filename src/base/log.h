/* Progress and diagnostics for a person, on stderr. Results never go through here. */
#ifndef CLOZE_BASE_LOG_H
#define CLOZE_BASE_LOG_H

#include <stdbool.h>
#include <stdio.h>

/* Not thread-safe: one thread talks. A NULL log is silent everywhere it is accepted. */
struct log {
    FILE *stream;
    bool terminal; /* a live line may be drawn and erased */
    bool live;     /* one is on the screen now */
};

struct log log_open(FILE *stream);

/* One line; the newline is added. A live line on the screen is erased first. */
void log_line(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same behind "warning: ". */
void log_warning(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* On a terminal: draws over the live line, cut at the terminal's width. Elsewhere: nothing. */
void log_live(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Erases the live line if there is one: before something else writes to the terminal. */
void log_end_live(struct log *log);

/* For people: 1234567 -> "1,234,567"; 1536000000 bytes -> "1.43 GiB"; 3725 s -> "1h 02m", and "?"
 * for a time that is not known (infinite, NaN, negative). The text is in the structure returned. */
struct text32 {
    char text[32];
};

struct text32 format_count(unsigned long long count);
struct text32 format_bytes(unsigned long long bytes);
struct text32 format_duration(double seconds);

#endif
