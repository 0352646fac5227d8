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

struct hashed_file {
    struct hash_stream *stream;
    uint64_t size;
};

static bool put_piece(void *context, const void *data, size_t size, struct error *error)
{
    struct hashed_file *file = context;
    (void)error;
    file->size += size;
    hash_stream_put(file->stream, data, size);
    return true;
}

bool hash_file(const char *path, uint64_t *size, uint64_t *hash, struct error *error)
{
    struct hashed_file file = {hash_stream_begin(error), 0};
    bool done = file.stream && file_read_pieces(path, put_piece, &file, error);
    if (done) {
        *size = file.size;
        *hash = hash_stream_end(file.stream);
    }
    hash_stream_free(file.stream);
    return done;
}
