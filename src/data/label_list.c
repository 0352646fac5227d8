#include "data/label_list.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "data/excerpt.h"

#include <stdlib.h>
#include <string.h>

int label_list_count(const struct label_list *labels)
{
    return (int)labels->names.count;
}

const char *label_list_name(const struct label_list *labels, int id)
{
    size_t size;
    return string_table_get(&labels->names, (uint32_t)id, &size);
}

static bool has_control(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7F)
            return true;
    return false;
}

bool label_list_add(struct label_list *labels, const char *name, size_t size, int32_t *id,
                    struct error *error)
{
    enum { MAX_LABELS = 1 << 20 };
    uint32_t number;
    if (utf8_valid_prefix(name, size) < size || has_control(name, size))
        return fail_input(error, "the label \"%s\" is not UTF-8 without control characters",
                          excerpt_of(name, size).text);
    if (!string_table_add(&labels->names, name, size, &number, error))
        return false;
    *id = (int32_t)number;
    return labels->names.count <= MAX_LABELS ||
           fail_input(error, "more than %d different labels; is this the label's column?",
                      MAX_LABELS);
}

bool label_list_set(struct label_list *labels, const char *const *names, size_t count,
                    const char *origin, struct error *error)
{
    if (count < 2)
        return fail_input(error, "%s: found %zu label%s; expected at least two", origin, count,
                          count == 1 ? "" : "s");
    for (size_t i = 0; i < count; i++) {
        int32_t id = 0;
        if (!label_list_add(labels, names[i], strlen(names[i]), &id, error))
            return fail_context(error, "%s", origin);
        if ((size_t)id < i)
            return fail_input(error, "%s: the label \"%s\" is given twice", origin,
                              excerpt_of(names[i], strlen(names[i])).text);
    }
    return true;
}

int32_t label_list_find(const struct label_list *labels, const char *name, size_t size)
{
    uint32_t number;
    return string_table_find(&labels->names, name, size, &number) ? (int32_t)number : -1;
}

/* ---- sorting ---- */

struct entry {
    const char *name;
    size_t size;
    int32_t id;
};

/* Returns whether the name is a whole number of up to 18 digits, and its value. */
static bool whole_number(const char *name, long long *value)
{
    const size_t sign = *name == '-';
    const size_t digits = strspn(name + sign, "0123456789");
    *value = strtoll(name, NULL, 10);
    return digits && digits <= 18 && !name[sign + digits];
}

static int compare_bytes(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int compare_numbers(const void *a, const void *b)
{
    long long x, y;
    whole_number(((const struct entry *)a)->name, &x);
    whole_number(((const struct entry *)b)->name, &y);
    return x == y ? compare_bytes(a, b) : (x > y) - (x < y);
}

static bool all_numbers(const struct entry *entries, size_t count)
{
    long long value;
    for (size_t i = 0; i < count; i++)
        if (!whole_number(entries[i].name, &value))
            return false;
    return true;
}

static void list_entries(const struct label_list *labels, struct entry *entries)
{
    for (uint32_t i = 0; i < labels->names.count; i++) {
        entries[i].name = string_table_get(&labels->names, i, &entries[i].size);
        entries[i].id = (int32_t)i;
    }
}

bool label_list_sort(struct label_list *labels, int32_t *new_ids, struct error *error)
{
    const size_t count = labels->names.count;
    struct label_list sorted = {0};
    struct entry *entries = allocate(count, sizeof *entries, error);
    bool done = entries;
    if (entries) {
        list_entries(labels, entries);
        qsort(entries, count, sizeof *entries,
              all_numbers(entries, count) ? compare_numbers : compare_bytes);
    }
    for (size_t i = 0; done && i < count; i++)
        done = label_list_add(&sorted, entries[i].name, entries[i].size, &new_ids[entries[i].id],
                              error);
    free(entries);
    if (!done) {
        label_list_free(&sorted);
        return false;
    }
    label_list_free(labels);
    *labels = sorted;
    return true;
}

bool label_list_describe(const struct label_list *labels, struct buffer *out, struct error *error)
{
    for (uint32_t i = 0; i < labels->names.count; i++) {
        size_t size;
        const char *name = string_table_get(&labels->names, i, &size);
        if (!excerpt_list(out, i, labels->names.count, name, size, error))
            return false;
    }
    return true;
}

void label_list_free(struct label_list *labels)
{
    string_table_free(&labels->names);
}
