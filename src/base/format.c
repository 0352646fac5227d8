#include "base/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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

struct text64 format_number_of(unsigned long long count, const char *noun)
{
    struct text64 result;
    snprintf(result.text, sizeof result.text, "%s %s%s", format_count(count).text, noun,
             plural(count));
    return result;
}

struct text32 format_float(float value)
{
    struct text32 result;
    int precision = 6; /* %g leaves out the zeros, and 30 is not 3e+01 */
    do
        snprintf(result.text, sizeof result.text, "%.*g", precision, (double)value);
    while (strtof(result.text, NULL) != value && ++precision <= 9);
    return result;
}

struct text32 format_double(double value)
{
    struct text32 result;
    int precision = 6;
    do
        snprintf(result.text, sizeof result.text, "%.*g", precision, value);
    while (strtod(result.text, NULL) != value && ++precision <= 17);
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

struct text32 format_hash(uint64_t hash)
{
    struct text32 result;
    snprintf(result.text, sizeof result.text, "%016" PRIx64, hash);
    return result;
}
