/* The processors, memory and clock of the machine that this process may use. Where the system gives
 * no limit, there is none. Thread-safe. */
#ifndef CLOZE_BASE_MACHINE_H
#define CLOZE_BASE_MACHINE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns OMP_NUM_THREADS if it is set, or else machine_processors; both at most
 * OMP_THREAD_LIMIT. */
int machine_threads(void);

/* Returns the processors that this process may run on, at most the quota of its control groups and
 * at least 1. */
int machine_processors(void);

enum { MACHINE_MAX_THREADS = 4096 };

/* Checks that the value of an environment variable, unless it is NULL or empty, is a number of
 * threads from 1 to MACHINE_MAX_THREADS, or several of them separated by commas. OpenMP itself
 * ignores a value that it does not understand. */
bool machine_check_threads(const char *variable, const char *value, struct error *error);

/* Returns the bytes that can still be allocated: MemAvailable, or what the control groups have left
 * if that is less. */
size_t machine_memory_available(void);

/* Returns the seconds of a clock that never goes back. */
double machine_seconds(void);

/* ---- The parts, which tests feed with files of their own: `root` stands before /proc and /sys
 * ---- */

#define MACHINE_UNLIMITED UINT64_MAX

/* Returns the first number of "4" or "4,2" (the levels of nested regions); 0 for NULL and for any
 * other text. */
int machine_threads_setting(const char *text);

/* Returns the lowest processor quota of the process's control group and the groups around it, of
 * version 2 (cpu.max) or 1 (cpu.cfs_quota_us). A fraction is rounded up: with 2.5 processors, three
 * threads get more done than two. */
uint64_t machine_processor_quota(const char *root);

/* Returns the smallest amount of memory that these groups have left: limit - usage + cached files,
 * which the kernel drops when memory is short. */
uint64_t machine_group_memory(const char *root);

/* Returns MemAvailable of /proc/meminfo, in bytes. */
uint64_t machine_system_memory(const char *root);

#endif
