/* What the name of a file of text promises, by its endings in capital or small letters. */
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
    const char *ending;           /* that says so: ".gz"; "" */
    /* What the rest of the name ends in: */
    bool json;     /* .json .jsonl .ndjson .jl and others that have one or several JSON values */
    bool tar;      /* .tar, or .tgz and so on */
    bool metadata; /* begins with "._": what macOS writes into archives for its own use */
    bool marked;   /* .html .xml: text with markup */
    bool table;    /* .csv .tsv: text in columns */
};

struct text_name text_name_read(const char *path);

#endif
