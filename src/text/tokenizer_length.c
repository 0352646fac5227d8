#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

#include <stdlib.h>

/* Returns the length, or -1 on failure. transformers writes 1e30 if the length is unknown. */
static int read_length(const char *path, int positions, struct error *error)
{
    json_t *object = json_read_file(path, error);
    if (!object)
        return -1;
    double length = json_number_value(json_object_get(object, "model_max_length"));
    json_decref(object);
    return length >= 1 && length < positions ? (int)length : positions;
}

bool tokenizer_max_length(const char *directory, int positions, int *length, struct error *error)
{
    char *path = path_join(directory, "tokenizer_config.json", error);
    *length = -1;
    if (path)
        *length = path_is_taken(path) ? read_length(path, positions, error) : positions;
    free(path);
    return *length >= 0;
}
