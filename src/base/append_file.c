#include "base/append_file.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool append_file_open(struct append_file *file, const char *path, bool fresh, struct error *error)
{
    *file = (struct append_file){.descriptor = -1, .path = strdup(path)};
    if (!file->path)
        return fail_work(error, "%s: out of memory", path);
    file->descriptor =
        open_again(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | (fresh ? O_EXCL : 0));
    struct stat status;
    if (file->descriptor < 0 || fstat(file->descriptor, &status) != 0)
        return fail_path(error, errno, path, "open for appending");
    file->end = (uint64_t)status.st_size;
    return true;
}

/* Cuts off the partial record that a failed write has left. */
static bool mend(struct append_file *file, struct error *error)
{
    if (file->torn && ftruncate(file->descriptor, (off_t)file->end) != 0)
        return fail_path(error, errno, file->path, "cut off a torn record");
    file->torn = false;
    return true;
}

bool append_file_put(struct append_file *file, const void *record, size_t size, struct error *error)
{
    if (!mend(file, error))
        return false;
    if (descriptor_write(file->descriptor, file->path, record, size, error)) {
        file->end += size;
        return true;
    }
    struct error later = {0};
    file->torn = true;
    mend(file, &later); /* if it fails now, it is tried again before the next record */
    return false;
}

void append_file_close(struct append_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    free(file->path);
    *file = (struct append_file){.descriptor = -1};
}
