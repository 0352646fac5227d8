#include "support/compressed.h"

#include <archive.h>
#include <archive_entry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *const compression_names[COMPRESSIONS] = {"gzip", "zstd", "xz", "bzip2", "lz4"};
const char *const compression_endings[COMPRESSIONS] = {"gz", "zst", "xz", "bz2", "lz4"};

const char *write_compressed(struct scratch *scratch, const char *name, int compression,
                             const char *data, size_t size)
{
    /* libarchive 3.6.2 crashes when it writes lz4 of an empty file. The lz4 program writes these
     * bytes. */
    static const char empty_lz4[] = "\x04\x22\x4D\x18\x64\x40\xA7\0\0\0\0\x05\x5D\xCC\x02";
    if (size == 0 && strcmp(compression_names[compression], "lz4") == 0)
        return scratch_write(scratch, name, empty_lz4, sizeof empty_lz4 - 1);
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert_non_null(archive);
    assert_non_null(entry);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_set_format_raw(archive), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_by_name(archive, compression_names[compression]),
                     ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(archive, 1);
    assert_int_equal(archive_write_open_filename(archive, scratch_path(scratch, name)), ARCHIVE_OK);
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(archive, data, size), size);
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(archive);
    return scratch->path;
}

const char *write_checked(struct scratch *scratch, const char *name, int compression,
                          const char *data, size_t size)
{
    if (strcmp(compression_names[compression], "zstd") != 0)
        return write_compressed(scratch, name, compression, data, size);
    char command[1200], plain[600];
    snprintf(plain, sizeof plain, "%s", scratch_write(scratch, "plain", data, size));
    snprintf(command, sizeof command, "zstd -q -f '%s' -o '%s'", plain,
             scratch_path(scratch, name));
    assert_int_equal(system(command), 0);
    return scratch->path;
}
