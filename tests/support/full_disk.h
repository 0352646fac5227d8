/* A disk that runs full, played by the limit of this process's file sizes: a file takes `bytes`
 * bytes; a write across that boundary is cut short there, the next one fails with "File too large".
 * Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_FULL_DISK_H
#define CLOZE_TESTS_SUPPORT_FULL_DISK_H

#include <stddef.h>
#include <sys/resource.h>

struct full_disk {
    struct rlimit before;
    void (*handler)(int); /* of SIGXFSZ, which a failing write sends */
};

struct full_disk full_disk_begin(size_t bytes);

/* To be called before the first assertion: what the test prints may go to a file. */
void full_disk_end(const struct full_disk *disk);

#endif
