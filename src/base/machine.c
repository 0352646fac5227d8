#include "base/machine.h"

#include "base/file.h"
#include "base/min.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t subtract(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* ---- small text files of the kernel ---- */

/* Returns the text of DIRECTORY/NAME, owned by the caller; NULL if the file cannot be read. */
static char *read_text(const char *directory, const char *name)
{
    enum { TEXT_LIMIT = 1 << 20 };
    struct error unused;
    struct buffer text = {0};
    char *path = path_join(directory, name, &unused);
    if (!path || !file_read(path, TEXT_LIMIT, &text, &unused))
        buffer_free(&text);
    free(path);
    return text.data;
}

/* Moves *text past a number and the blanks before it. */
static bool take_number(const char **text, uint64_t *number)
{
    const char *start = *text + strspn(*text, " \t");
    if (*start < '0' || *start > '9')
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(start, &end, 10);
    if (errno)
        return false;
    *number = value;
    *text = end;
    return true;
}

/* Returns the number that the file starts with; MACHINE_UNLIMITED for a missing file, "max" and
 * "-1". */
static uint64_t read_number(const char *directory, const char *name)
{
    uint64_t number = MACHINE_UNLIMITED;
    char *text = read_text(directory, name);
    const char *rest = text;
    if (rest)
        take_number(&rest, &number);
    free(text);
    return number;
}

/* Returns the number after `key` in a file of lines "key number"; `missing` if there is none. */
static uint64_t read_entry(const char *directory, const char *name, const char *key,
                           uint64_t missing)
{
    uint64_t number = missing;
    char *text = read_text(directory, name);
    size_t length = strlen(key);
    for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
        if (strncmp(line, key, length) != 0)
            continue;
        const char *value = line + length;
        if (take_number(&value, &number))
            break;
    }
    free(text);
    return number;
}

/* ---- limits of one control group ---- */

/* Returns the limit of one group; MACHINE_UNLIMITED if it sets none. */
typedef uint64_t group_limit(const char *directory);

static uint64_t processors(uint64_t quota, uint64_t period)
{
    if (quota == MACHINE_UNLIMITED || period == MACHINE_UNLIMITED || period == 0)
        return MACHINE_UNLIMITED;
    return quota / period + (quota % period != 0);
}

static uint64_t processors_v2(const char *directory)
{
    uint64_t quota = MACHINE_UNLIMITED, period = MACHINE_UNLIMITED;
    char *text = read_text(directory, "cpu.max");
    const char *rest = text;
    if (!rest || !take_number(&rest, &quota) || !take_number(&rest, &period))
        quota = MACHINE_UNLIMITED; /* "max 100000" */
    free(text);
    return processors(quota, period);
}

static uint64_t processors_v1(const char *directory)
{
    return processors(read_number(directory, "cpu.cfs_quota_us"),
                      read_number(directory, "cpu.cfs_period_us"));
}

static uint64_t memory_left(uint64_t limit, uint64_t usage, uint64_t cached)
{
    if (limit == MACHINE_UNLIMITED || usage == MACHINE_UNLIMITED)
        return limit;
    return subtract(limit, subtract(usage, cached));
}

static uint64_t memory_v2(const char *directory)
{
    return memory_left(read_number(directory, "memory.max"),
                       read_number(directory, "memory.current"),
                       read_entry(directory, "memory.stat", "inactive_file", 0) +
                           read_entry(directory, "memory.stat", "active_file", 0));
}

static uint64_t memory_v1(const char *directory)
{
    return memory_left(read_number(directory, "memory.limit_in_bytes"),
                       read_number(directory, "memory.usage_in_bytes"),
                       read_entry(directory, "memory.stat", "total_inactive_file", 0) +
                           read_entry(directory, "memory.stat", "total_active_file", 0));
}

/* ---- the process's groups ---- */

/* Returns the lowest limit of `group` ("/a/b") and the groups around it. Inside a container the
 * path may be one of the host that does not exist here; then only the mount point itself counts,
 * which is the container's group. */
static uint64_t lowest_limit(const char *root, const char *mount, const char *group,
                             group_limit *limit)
{
    char directory[PATH_MAX];
    int length = snprintf(directory, sizeof directory, "%s%s%s", root, mount, group);
    if (length < 0 || (size_t)length >= sizeof directory || group[0] != '/')
        return MACHINE_UNLIMITED;
    size_t top = strlen(root) + strlen(mount);
    uint64_t lowest = limit(directory);
    while (strlen(directory) > top) {
        *strrchr(directory, '/') = 0;
        lowest = min_uint64(lowest, limit(directory));
    }
    return lowest;
}

static bool list_has(char *list, const char *name)
{
    for (char *item; (item = strsep(&list, ","));)
        if (strcmp(item, name) == 0)
            return true;
    return false;
}

/* Reads /proc/self/cgroup (cgroups(7)), which has a line "number:controllers:/group" for each
 * hierarchy of version 1, and "0::/group" for version 2, which is mounted in one of two places. */
static uint64_t groups_limit(const char *root, const char *controller, group_limit *limit_v1,
                             group_limit *limit_v2)
{
    char mount[64];
    snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", controller);
    uint64_t lowest = MACHINE_UNLIMITED;
    char *text = read_text(root, "proc/self/cgroup");
    for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
        strsep(&line, ":");
        char *controllers = strsep(&line, ":");
        if (!controllers || !line)
            continue;
        if (controllers[0] == 0) {
            lowest = min_uint64(lowest, lowest_limit(root, "/sys/fs/cgroup", line, limit_v2));
            lowest =
                min_uint64(lowest, lowest_limit(root, "/sys/fs/cgroup/unified", line, limit_v2));
        } else if (list_has(controllers, controller)) {
            lowest = min_uint64(lowest, lowest_limit(root, mount, line, limit_v1));
        }
    }
    free(text);
    return lowest;
}

uint64_t machine_processor_quota(const char *root)
{
    return groups_limit(root, "cpu", processors_v1, processors_v2);
}

uint64_t machine_group_memory(const char *root)
{
    return groups_limit(root, "memory", memory_v1, memory_v2);
}

uint64_t machine_system_memory(const char *root)
{
    uint64_t kibibytes = read_entry(root, "proc/meminfo", "MemAvailable:", MACHINE_UNLIMITED);
    return kibibytes > MACHINE_UNLIMITED / 1024 ? MACHINE_UNLIMITED : kibibytes * 1024;
}

/* ---- the answers ---- */

int machine_threads_setting(const char *text)
{
    if (!text)
        return 0;
    char *end;
    long number = strtol(text, &end, 10);
    end += strspn(end, " \t");
    return number >= 1 && number <= INT_MAX && (*end == 0 || *end == ',') ? (int)number : 0;
}

/* True for "4" and "4,2,1", with numbers from 1 to MACHINE_MAX_THREADS. */
static bool is_thread_list(const char *text)
{
    for (;;) {
        char *end;
        text += strspn(text, " \t");
        if (!isdigit((unsigned char)*text))
            return false;
        errno = 0;
        long number = strtol(text, &end, 10);
        if (errno || number < 1 || number > MACHINE_MAX_THREADS)
            return false;
        text = end + strspn(end, " \t");
        if (*text == 0)
            return true;
        if (*text++ != ',')
            return false;
    }
}

bool machine_check_threads(const char *variable, const char *value, struct error *error)
{
    return !value || !*value || is_thread_list(value) ||
           fail_input(error, "%s is \"%.80s\"; expected a number of threads from 1 to %d", variable,
                      value, MACHINE_MAX_THREADS);
}

int machine_processors(void)
{
    /* omp_get_num_procs counts the affinity mask from before OMP_PROC_BIND pinned this thread. */
    uint64_t available = min_uint64((uint64_t)omp_get_num_procs(), machine_processor_quota("/"));
    return available < 1 ? 1 : (int)available;
}

int machine_threads(void)
{
    int setting = machine_threads_setting(getenv("OMP_NUM_THREADS"));
    uint64_t limit = (uint64_t)omp_get_thread_limit();
    return (int)min_uint64((uint64_t)(setting ? setting : machine_processors()), limit);
}

size_t machine_memory_available(void)
{
    return (size_t)min_uint64(machine_system_memory("/"), machine_group_memory("/"));
}

double machine_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
