/* Recognizes the format of a file of text by the endings of its name, in upper or lower case. */
#ifndef CLOZE_DATA_TEXT_NAME_H
#define CLOZE_DATA_TEXT_NAME_H

#include <stdbool.h>

enum compression {
    COMPRESSION_NONE,
    COMPRESSION_GZIP,
    COMPRESSION_ZSTD,
    COMPRESSION_XZ,
    COMPRESSION_BZIP2,
    COMPRESSION_LZ4,
    COMPRESSIONS_KNOWN,
};

struct text_name {
    enum compression compression; /* .gz .gzip .zst .zstd .xz .bz2 .bzip2 .lz4; .tgz and so on */
    const char *ending;           /* the ending of the compression: ".gz"; "" if there is none */

    /* Whether the name without that ending ends in: */
    bool json;   /* .json .jsonl .ndjson .jl and others for one or several JSON values */
    bool tar;    /* .tar, or .tgz and so on */
    bool marked; /* .html .xml: text with markup */
    bool table;  /* .csv .tsv: text in columns */

    bool metadata; /* whether the name begins with "._": macOS writes such files into archives */
};

struct text_name text_name_read(const char *path);

#endif
