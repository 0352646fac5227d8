/* Numbers as people read them: 1234567 is "1,234,567", 1536000000 bytes are "1.43 GiB", 3725 s are
 * "1h 02m", and an unknown time (infinite, NaN or negative) is "?". The structure that a function
 * returns holds the text. Thread-safe. */
#ifndef CLOZE_BASE_FORMAT_H
#define CLOZE_BASE_FORMAT_H

#include <stdint.h>

struct text32 {
    char text[32];
};

struct text32 format_count(unsigned long long count);

/* Returns "s", but "" for one: "1 word", "2 words". */
static inline const char *plural(unsigned long long count)
{
    return count == 1 ? "" : "s";
}

/* A number with its noun: "1 word", "1,234 words". */
struct text64 {
    char text[64];
};

struct text64 format_number_of(unsigned long long count, const char *noun);

struct text32 format_bytes(unsigned long long bytes);
struct text32 format_duration(double seconds);

/* Return the shortest decimal that reads back as the same number: that of 0.6f is "0.6". */
struct text32 format_float(float value);
struct text32 format_double(double value);

/* Returns the hash as sixteen hexadecimal digits. */
struct text32 format_hash(uint64_t hash);

#endif
