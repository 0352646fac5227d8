#include "text/string_table.h"

#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

const char *string_table_get(const struct string_table *table, uint32_t number, size_t *size)
{
    CHECK(number < table->count);
    size_t start = number ? table->ends[number - 1] + 1 : 0;
    *size = table->ends[number] - start;
    return table->bytes.data + start;
}

/* The index of a slot depends only on the 32 bits of hash that are stored in it, so that the table
 * grows without reading the strings again. */
static size_t next_slot(const struct string_table *table, size_t slot)
{
    return (slot + 1) & (table->slot_count - 1);
}

static size_t first_slot(const struct string_table *table, uint32_t hash)
{
    return hash & (table->slot_count - 1);
}

static bool grow_slots(struct string_table *table, struct error *error)
{
    enum { FIRST_SLOTS = 1024 };
    struct string_table larger = *table;
    larger.slot_count = table->slot_count ? table->slot_count * 2 : FIRST_SLOTS;
    larger.slots = allocate(larger.slot_count, sizeof *larger.slots, error);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < table->slot_count; i++) {
        uint64_t taken = table->slots[i];
        if (!taken)
            continue;
        size_t slot = first_slot(&larger, (uint32_t)(taken >> 32));
        while (larger.slots[slot])
            slot = next_slot(&larger, slot);
        larger.slots[slot] = taken;
    }
    free(table->slots);
    table->slots = larger.slots;
    table->slot_count = larger.slot_count;
    return true;
}

static bool append(struct string_table *table, const char *bytes, size_t size, struct error *error)
{
    if (table->count >= UINT32_MAX - 1)
        return fail_work(error, "more than %u different words", table->count);
    if (!grow(&table->ends, &table->end_capacity, (size_t)table->count + 1, sizeof *table->ends,
              error))
        return false;
    size_t before = table->bytes.size;
    if (!buffer_append(&table->bytes, bytes, size, error))
        return false;
    if (!buffer_append(&table->bytes, "", 1, error)) {
        table->bytes.size = before;
        return false;
    }
    table->ends[table->count++] = before + size;
    return true;
}

static bool equals(const struct string_table *table, uint32_t number, const char *bytes,
                   size_t size)
{
    size_t other_size;
    const char *other = string_table_get(table, number, &other_size);
    return other_size == size && memcmp(other, bytes, size) == 0;
}

/* Looks for the string; *slot gets its slot, or the free one where it belongs. */
static bool find_slot(const struct string_table *table, const char *bytes, size_t size,
                      uint32_t hash, size_t *slot)
{
    *slot = first_slot(table, hash);
    for (uint64_t taken; (taken = table->slots[*slot]); *slot = next_slot(table, *slot))
        if (taken >> 32 == hash && equals(table, (uint32_t)taken - 1, bytes, size))
            return true;
    return false;
}

static uint32_t hash_string(const char *bytes, size_t size)
{
    return (uint32_t)(hash_bytes(bytes, size) >> 32);
}

bool string_table_add(struct string_table *table, const char *bytes, size_t size, uint32_t *number,
                      struct error *error)
{
    if ((size_t)table->count * 3 >= table->slot_count * 2 && !grow_slots(table, error))
        return false;
    const uint32_t hash = hash_string(bytes, size);
    size_t slot;
    if (find_slot(table, bytes, size, hash, &slot)) {
        *number = (uint32_t)table->slots[slot] - 1;
        return true;
    }
    *number = table->count;
    if (!append(table, bytes, size, error))
        return false;
    table->slots[slot] = (uint64_t)hash << 32 | (*number + 1);
    return true;
}

bool string_table_find(const struct string_table *table, const char *bytes, size_t size,
                       uint32_t *number)
{
    size_t slot;
    if (!table->count || !find_slot(table, bytes, size, hash_string(bytes, size), &slot))
        return false;
    *number = (uint32_t)table->slots[slot] - 1;
    return true;
}

void string_table_free(struct string_table *table)
{
    buffer_free(&table->bytes);
    free(table->ends);
    free(table->slots);
    *table = (struct string_table){0};
}
