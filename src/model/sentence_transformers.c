#include "model/sentence_transformers.h"

#include "base/affix.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define MODULES_FILE "modules.json"

/* The class without its package: "Transformer", "Pooling". */
static const char *class_of(const json_t *module)
{
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *dot = type ? strrchr(type, '.') : NULL;
    return dot ? dot + 1 : type ? type : "";
}

/* Transformer; MLMTransformer of sparse encoders; not CLIPModel or StaticEmbedding. */
static bool is_transformer(const json_t *module)
{
    return ends_with(class_of(module), "Transformer");
}

/* The list comes from outside: it must not lead out of its directory. */
static bool is_inside(const char *place)
{
    return place && place[0] != '/' && strncmp(place, "..", 2) != 0 && !strstr(place, "/..");
}

/* Which module is the model, and the names of the others. */
static bool read_modules(const char *path, json_t *modules, const char **place,
                         struct buffer *others, struct error *error)
{
    json_t *module;
    size_t index;
    bool found = false;
    json_array_foreach (modules, index, module) {
        if (!found && is_transformer(module)) {
            found = true;
            *place = json_string_value(json_object_get(module, "path"));
        } else if (!buffer_print(others, error, "%s%.60s", others->size ? ", " : "",
                                 class_of(module))) {
            return false;
        }
    }
    if (!found)
        return fail_input(error, "%s: has no Transformer; found %.200s", path,
                          others->size ? others->data : "nothing");
    return is_inside(*place) ||
           fail_input(error,
                      "%s: the path of the Transformer is \"%.200s\"; expected a directory within "
                      "that of the file, or \"\"",
                      path, *place ? *place : "");
}

static void say(const char *directory, const char *place, const struct buffer *others,
                struct log *log)
{
    if (place[0])
        log_line(log, "sentence-transformers: the model in %s is used, of\n  %s", place,
                 path_shown(directory));
    if (others->size)
        log_line(log, "not used of sentence-transformers: %s", others->data);
}

static bool find_listed(const char *directory, const char *list, char **model, struct log *log,
                        struct error *error)
{
    json_t *modules = json_read_array(list, error);
    struct buffer others = {0};
    const char *place = "";
    if (modules && read_modules(list, modules, &place, &others, error) &&
        (*model = place[0] ? path_join(directory, place, error) : path_join("", directory, error)))
        say(directory, place, &others, log);
    buffer_free(&others);
    json_decref(modules);
    return *model != NULL;
}

bool sentence_transformers_find(const char *directory, char **model, struct log *log,
                                struct error *error)
{
    char *list = path_join(directory, MODULES_FILE, error);
    *model = NULL;
    bool done = list && (!path_is_taken(list) || find_listed(directory, list, model, log, error));
    free(list);
    return done;
}
