#include "base/hash.h"

#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* XXH3 is frozen since xxHash 0.8: with other values every checksum on disk would be wrong. */
static void test_known_hashes(void **state)
{
    (void)state;
    assert_int_equal(hash_bytes("", 0), 0x2d06800538d394c2);
    assert_int_equal(hash_bytes(NULL, 0), 0x2d06800538d394c2);
    assert_int_equal(hash_bytes("abc", 3), 0x78af5f94892f3950);
}

static void test_pieces_hash_as_the_whole(void **state)
{
    (void)state;
    struct error error = {0};
    unsigned char data[3000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 31 + i / 7);
    struct hash_stream *stream = hash_stream_begin(&error);
    assert_non_null(stream);
    assert_int_equal(hash_stream_end(stream), hash_bytes(NULL, 0));
    size_t done = 0;
    for (size_t piece = 0; done + piece <= sizeof data; piece++) {
        hash_stream_put(stream, data + done, piece);
        done += piece;
        assert_int_equal(hash_stream_end(stream), hash_bytes(data, done));
    }
    hash_stream_put(stream, NULL, 0);
    assert_int_equal(hash_stream_end(stream), hash_bytes(data, done));
    hash_stream_free(stream);
    hash_stream_free(NULL);
}

static void test_files(void **state)
{
    struct error error = {0};
    uint64_t size, hash;
    assert_true(hash_file(scratch_write_text(*state, "file", "abc"), &size, &hash, &error));
    assert_int_equal(size, 3);
    assert_int_equal(hash, hash_bytes("abc", 3));
    assert_true(hash_file(scratch_write_text(*state, "empty", ""), &size, &hash, &error));
    assert_int_equal(hash, hash_bytes("", 0));
    assert_false(hash_file(scratch_path(*state, "absent"), &size, &hash, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_non_null(strstr(error.message, "/absent: cannot open: No such file or directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_hashes),
        cmocka_unit_test(test_pieces_hash_as_the_whole),
        SCRATCH_TEST(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
