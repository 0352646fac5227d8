#include "support/golden.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

json_t *golden_json(const char *name)
{
    struct error error = {0};
    char path[1024];
    snprintf(path, sizeof path, "%s%s", GOLDEN_PATH(""), name);
    json_t *value = json_read_file(path, &error);
    if (!value)
        fail_msg("%s", error.message);
    return value;
}

json_t *golden_member(const json_t *object, const char *key)
{
    json_t *member = json_object_get(object, key);
    if (!member)
        fail_msg("no \"%s\"", key);
    return member;
}

const char *golden_string(const json_t *object, const char *key)
{
    const char *text = json_string_value(golden_member(object, key));
    if (!text)
        fail_msg("\"%s\" is not a string", key);
    return text;
}
