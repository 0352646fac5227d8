/* What this process may use of the machine it runs on. Thread-safe; nothing here can fail: what the
 * system does not tell is no limit. */
#ifndef CLOZE_BASE_MACHINE_H
#define CLOZE_BASE_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* OMP_NUM_THREADS where it is set; otherwise the processors that this process may run on, lowered
 * to the quota of its control groups, at least 1. */
int machine_threads(void);

/* Bytes that can still be allocated: MemAvailable, lowered to what the control groups have left. */
size_t machine_memory_available(void);

/* Seconds on a clock that never goes back. */
double machine_seconds(void);

/* ---- The parts, which tests feed with files of their own: `root` stands before /proc and /sys
 * ---- */

#define MACHINE_UNLIMITED UINT64_MAX

/* The first number of "4" or "4,2" (the levels of nested regions); 0 for NULL and for anything
 * else. */
int machine_threads_setting(const char *text);

/* The lowest processor quota of the process's control group and the groups around it, version 2
 * (cpu.max) or 1 (cpu.cfs_quota_us), a fraction rounded up: with 2.5 processors, three threads get
 * more done than two. */
uint64_t machine_processor_quota(const char *root);

/* The least that these groups have left: limit - usage + cached files, which the kernel drops when
 * memory is short. */
uint64_t machine_group_memory(const char *root);

/* MemAvailable of /proc/meminfo, in bytes. */
uint64_t machine_system_memory(const char *root);

#endif
