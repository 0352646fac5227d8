#include "data/text_name.h"

#include "base/file.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *ending;
    enum compression compression;
    bool tar;
} compressed[] = {
    {".gz", COMPRESSION_GZIP, false},     {".gzip", COMPRESSION_GZIP, false},
    {".tgz", COMPRESSION_GZIP, true},     {".taz", COMPRESSION_GZIP, true},
    {".zst", COMPRESSION_ZSTD, false},    {".zstd", COMPRESSION_ZSTD, false},
    {".tzst", COMPRESSION_ZSTD, true},    {".xz", COMPRESSION_XZ, false},
    {".txz", COMPRESSION_XZ, true},       {".bz2", COMPRESSION_BZIP2, false},
    {".bzip2", COMPRESSION_BZIP2, false}, {".tbz2", COMPRESSION_BZIP2, true},
    {".tbz", COMPRESSION_BZIP2, true},    {".lz4", COMPRESSION_LZ4, false},
    {".tlz4", COMPRESSION_LZ4, true},
};

static const char *const json_endings[] = {".json", ".jsonl",  ".jsonlines", ".ndjson",
                                           ".jl",   ".ldjson", ".json-seq",  NULL};
static const char *const tar_endings[] = {".tar", NULL};
static const char *const marked_endings[] = {".xml", ".html", ".htm", ".tei", ".sgml", NULL};
static const char *const table_endings[] = {".csv", ".tsv", NULL};

static bool ends_in(const char *text, size_t size, const char *ending)
{
    size_t length = strlen(ending);
    return size > length && strncasecmp(text + size - length, ending, length) == 0;
}

static bool ends_in_any(const char *text, size_t size, const char *const *endings)
{
    for (; *endings; endings++)
        if (ends_in(text, size, *endings))
            return true;
    return false;
}

struct text_name text_name_read(const char *path)
{
    const char *base = path_name(path);
    size_t size = strlen(base);
    struct text_name name = {.ending = "", .metadata = strncmp(base, "._", 2) == 0};
    for (size_t i = 0; i < sizeof compressed / sizeof *compressed; i++)
        if (ends_in(base, size, compressed[i].ending)) {
            name.compression = compressed[i].compression;
            name.ending = compressed[i].ending;
            name.tar = compressed[i].tar;
            size -= strlen(compressed[i].ending);
            break;
        }
    name.tar = name.tar || ends_in_any(base, size, tar_endings);
    name.json = !name.tar && ends_in_any(base, size, json_endings);
    name.marked = !name.tar && ends_in_any(base, size, marked_endings);
    name.table = !name.tar && ends_in_any(base, size, table_endings);
    return name;
}
