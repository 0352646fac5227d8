#include "fuzz/support.h"

#include "base/directory.h"
#include "base/file.h"

#include <fcntl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

static char scratch[64];         /* the process's directory */
static const char *seeds = NULL; /* where seeds go */

static void remove_scratch(void)
{
    struct error error = {0};
    directory_remove(scratch, &error);
}

/* In memory where the system has such a file system: thousands of files a second are written. */
static void make_scratch(void)
{
    snprintf(scratch, sizeof scratch, "%s/cloze-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(scratch));
    atexit(remove_scratch);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    omp_set_num_threads(1);
    make_scratch();
    if (*argc == 3 && strcmp((*argv)[1], "seeds") == 0) {
        seeds = (*argv)[2];
        fuzz_seeds();
        exit(0);
    }
    return 0;
}

static void write_file(const char *path, const void *data, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(file >= 0);
    CHECK(write(file, data, size) == (ssize_t)size);
    close(file);
}

void fuzz_seed(const char *name, const void *data, size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", seeds, name);
    write_file(path, data, size);
}

void fuzz_seed_text(const char *name, const char *text)
{
    fuzz_seed(name, text, strlen(text));
}

const char *fuzz_path(const char *name)
{
    static char paths[8][256];
    static unsigned next = 0;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

const char *fuzz_write(const char *name, const void *data, size_t size)
{
    const char *path = fuzz_path(name);
    write_file(path, data, size);
    return path;
}

void fuzz_read(const char *path, struct buffer *out)
{
    struct error error = {0};
    CHECK(file_read(path, (size_t)1 << 30, out, &error));
}

unsigned fuzz_take_byte(const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return 0;
    --*size;
    return *(*data)++;
}

void fuzz_check_error(const struct error *error)
{
    CHECK(error->kind == ERROR_INPUT || error->kind == ERROR_WORK);
    CHECK(error->message[0]);
}
