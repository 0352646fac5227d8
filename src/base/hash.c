#include "base/hash.h"

#include "base/file.h"

#include <stdlib.h>
#include <xxhash.h>

struct hash_stream {
    XXH3_state_t *state;
};

uint64_t hash_bytes(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

struct hash_stream *hash_stream_begin(struct error *error)
{
    struct hash_stream *stream = malloc(sizeof *stream);
    XXH3_state_t *state = XXH3_createState();
    if (!stream || !state) {
        free(stream);
        XXH3_freeState(state);
        fail_work(error, "out of memory: the state of a checksum");
        return NULL;
    }
    XXH3_64bits_reset(state);
    stream->state = state;
    return stream;
}

void hash_stream_put(struct hash_stream *stream, const void *data, size_t size)
{
    if (size)
        XXH3_64bits_update(stream->state, data, size);
}

uint64_t hash_stream_end(const struct hash_stream *stream)
{
    return XXH3_64bits_digest(stream->state);
}

void hash_stream_free(struct hash_stream *stream)
{
    if (!stream)
        return;
    XXH3_freeState(stream->state);
    free(stream);
}

bool hash_file(const char *path, uint64_t *hash, struct error *error)
{
    struct mapping mapping;
    if (!file_map(path, &mapping, error))
        return false;
    *hash = hash_bytes(mapping.data, mapping.size);
    file_unmap(&mapping);
    return true;
}
