/* Simulates a disk that becomes full, by the limit on the file sizes of this process: a file can
 * have `bytes` bytes. A write across that boundary is shortened, and the next one fails with "File
 * too large". Every failure here fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_FULL_DISK_H
#define CLOZE_TESTS_SUPPORT_FULL_DISK_H

#include <stddef.h>
#include <sys/resource.h>

struct full_disk {
    struct rlimit before;
    void (*handler)(int); /* former handler of SIGXFSZ, which a failing write raises */
};

struct full_disk full_disk_begin(size_t bytes);

/* Call it before the first assertion: the test's output may be written to a file. */
void full_disk_end(const struct full_disk *disk);

#endif
