#include "model/tensor_names.h"

#include "base/affix.h"
#include "model/heads.h"

#include <stdio.h>
#include <string.h>

/* What PyTorch's wrappers (DataParallel, compile, FSDP, checkpointing) put into a name, before the
 * whole of it or before a part. */
static size_t wrapper_size(const char *name)
{
    static const char *const wrappers[] = {"module.", "_orig_mod.", "_fsdp_wrapped_module.",
                                           "_checkpoint_wrapped_module."};
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++)
        if (begins_with(name, wrappers[i]))
            return strlen(wrappers[i]);
    return 0;
}

static struct tensor_name without_wrappers(const char *name)
{
    struct tensor_name result;
    size_t size = 0, wrapper;
    bool begins = true; /* a part of the name */
    while (*name && size < TENSOR_MAX_NAME) {
        if (begins && (wrapper = wrapper_size(name)) != 0) {
            name += wrapper;
            continue;
        }
        begins = *name == '.';
        result.text[size++] = *name++;
    }
    result.text[size] = 0;
    return result;
}

/* ---- where the encoder is ---- */

/* Every encoder has these, the most telling first. */
static const char *const landmarks[] = {
    "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight",
    "embeddings.token_type_embeddings.weight", "embeddings.LayerNorm.weight",
    "embeddings.LayerNorm.gamma"};

/* What stands before the landmark, its last dot included; false if the name is another one. */
static bool read_prefix(const char *name, const char *landmark, char *prefix)
{
    size_t size = strlen(name), length = strlen(landmark);
    if (!ends_with(name, landmark) || (size > length && name[size - length - 1] != '.'))
        return false;
    snprintf(prefix, TENSOR_MAX_NAME + 1, "%.*s", (int)(size - length), name);
    return true;
}

static bool note_encoder(struct tensor_names *names, const char *directory, const char *name,
                         const char *landmark, bool *found, struct error *error)
{
    struct tensor_names other;
    if (!read_prefix(without_wrappers(name).text, landmark, other.encoder))
        return true;
    if (!read_prefix(name, landmark, other.shown))
        memcpy(other.shown, other.encoder, sizeof other.shown);
    if (*found && strcmp(names->encoder, other.encoder) != 0)
        return fail_input(error,
                          "%s: holds two encoders: names of tensors begin with \"%s\" and with "
                          "\"%s\"; expected one: save the one to be used by itself",
                          directory, names->shown, other.shown);
    if (!*found)
        *names = other;
    *found = true;
    return true;
}

bool tensor_names_find(const struct weight_files *files, const char *directory,
                       struct tensor_names *names, struct error *error)
{
    bool found = false;
    *names = (struct tensor_names){.encoder = "bert.", .shown = "bert."};
    for (size_t i = 0; i < sizeof landmarks / sizeof *landmarks && !found; i++)
        for (size_t file = 0; file < files->count; file++) {
            const struct safetensors *contents = &files->list[file].contents;
            for (size_t j = 0; j < contents->count; j++)
                if (!note_encoder(names, directory, contents->tensors[j].name, landmarks[i], &found,
                                  error))
                    return false;
        }
    return true;
}

bool tensor_names_ordinary(const struct tensor_names *names)
{
    return strcmp(names->shown, "bert.") == 0 || names->shown[0] == 0;
}

/* ---- names of the table ---- */

/* The size of the encoder's prefix in a name, which may lack the "bert." at its end: a pooler that
 * was taken from a BertModel. */
static bool find_encoder_part(const struct tensor_names *names, const char *name, size_t *start)
{
    static const char *const parts[] = {"embeddings.", "encoder.", "pooler."};
    const size_t whole = strlen(names->encoder);
    const size_t sizes[] = {whole, ends_with(names->encoder, "bert.") ? whole - 5 : whole};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
            if (strncmp(name, names->encoder, sizes[i]) == 0 &&
                begins_with(name + sizes[i], parts[j])) {
                *start = sizes[i];
                return true;
            }
    return false;
}

/* Returns the name of a head's tensor without the prefix before the head; NULL if it is no head of
 * this encoder. A head has the prefix of the encoder's holder, or none: with "student.bert." the
 * heads are "student.cls." or "cls.", and "teacher.cls." belongs to another model. */
static const char *find_head(const struct tensor_names *names, const char *name)
{
    for (const char *part = name; part; part = strchr(part, '.')) {
        part += *part == '.';
        if (strncmp(name, names->encoder, (size_t)(part - name)) != 0)
            return NULL;
        if (heads_group_of(part) < GROUP_COUNT)
            return part;
    }
    return NULL;
}

/* LayerNorm.gamma and .beta of old conversions from TensorFlow. */
static const char *modern_ending(const char *name, size_t *kept)
{
    static const char *const endings[][2] = {{"LayerNorm.gamma", "LayerNorm.weight"},
                                             {"LayerNorm.beta", "LayerNorm.bias"}};
    *kept = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(name, endings[i][0])) {
            *kept -= strlen(endings[i][0]);
            return endings[i][1];
        }
    return "";
}

struct tensor_name tensor_names_in_table(const struct tensor_names *names, const char *name)
{
    const struct tensor_name plain = without_wrappers(name);
    const char *rest = plain.text, *head = find_head(names, rest);
    size_t start = 0, kept;
    bool encoder = find_encoder_part(names, rest, &start);
    if (encoder)
        rest += start;
    else if (head)
        rest = head;
    const char *ending = modern_ending(rest, &kept);
    struct tensor_name result;
    snprintf(result.text, sizeof result.text, "%s%.*s%s", encoder ? "bert." : "", (int)kept, rest,
             ending);
    return result;
}
