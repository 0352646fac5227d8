#include "data/labelled_value.h"

#include "data/excerpt.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Returns the length of [+-] digits [. digits] [e [+-] digits] at the beginning, where at least one
 * digit must precede the exponent; 0 if there is no such number. Other forms that strtod reads,
 * such as "nan" and "0x1p3", are not numbers of a table. */
static size_t number_size(const char *text)
{
    static const char digits[] = "0123456789";
    size_t size = *text == '-' || *text == '+';
    size_t whole = strspn(text + size, digits), part = 0;
    size += whole;
    if (text[size] == '.') {
        part = strspn(text + size + 1, digits);
        size += 1 + part;
    }
    if (!whole && !part)
        return 0;
    if (text[size] == 'e' || text[size] == 'E') {
        size_t sign = text[size + 1] == '-' || text[size + 1] == '+';
        size_t exponent = strspn(text + size + 1 + sign, digits);
        size += exponent ? 1 + sign + exponent : 0;
    }
    return size;
}

static bool fail_number(struct cell text, struct error *error)
{
    enum { ROOM = 32 };
    char corrected[ROOM];
    char *comma = NULL;
    if (text.size < ROOM) {
        memcpy(corrected, text.text, text.size);
        corrected[text.size] = '\0';
        comma = strchr(corrected, ',');
    }
    if (comma)
        *comma = '.';
    if (comma && number_size(corrected) == text.size)
        return fail_input(error, "the label is \"%s\"; expected a number with a point: %s",
                          excerpt_of(text.text, text.size).text, corrected);
    return fail_input(error, "the label is \"%s\"; expected a finite number such as 3.5",
                      excerpt_of(text.text, text.size).text);
}

bool labelled_value_read(struct cell text, float *value, struct error *error)
{
    char copy[512];
    if (!text.size || text.size >= sizeof copy)
        return fail_number(text, error);
    memcpy(copy, text.text, text.size); /* the bytes after a label may be white space */
    copy[text.size] = '\0';
    const double number = strtod(copy, NULL);
    if (number_size(copy) != text.size || !(fabs(number) <= (double)FLT_MAX))
        return fail_number(text, error);
    *value = (float)number;
    return true;
}
