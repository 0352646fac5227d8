#include "cli/model_paths.h"

#include "base/affix.h"
#include "base/directory.h"
#include "base/file.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* A person waits. So many directories are looked into; where there are more, those that are left
 * may have a model. */
enum { LEVELS_BELOW = 2, DIRECTORIES_AT_MOST = 2000 };

static bool has(const char *directory, const char *name)
{
    struct error ignored = {0};
    bool found = false;
    directory_holds(directory, name, &found, &ignored);
    return found;
}

static bool is_hidden(const char *name)
{
    return name[0] == '.';
}

/* Returns the path of an entry that may be a directory, owned by the caller; NULL for another. */
static char *subdirectory(const char *parent, const struct dirent *entry)
{
    struct error ignored = {0};
    const unsigned char type = entry->d_type;
    char *path = type == DT_DIR || type == DT_LNK || type == DT_UNKNOWN
                     ? path_join(parent, entry->d_name, &ignored)
                     : NULL;
    if (path && path_is_directory(path))
        return path;
    free(path);
    return NULL;
}

/* Returns whether `directory` is that of a model or a run, or may have one below. */
static bool leads_to_model(const char *directory, int levels, int *left)
{
    if (--*left < 0 || has(directory, "config.json") || has(directory, "checkpoints"))
        return true;
    DIR *stream = levels ? opendir(directory) : NULL;
    bool found = false;
    for (struct dirent *entry; stream && !found && (entry = readdir(stream));) {
        char *below = is_hidden(entry->d_name) ? NULL : subdirectory(directory, entry);
        found = below && leads_to_model(below, levels - 1, left);
        free(below);
    }
    if (stream)
        closedir(stream);
    return found;
}

bool model_paths_print(struct buffer *out, const char *before, const char *path,
                       struct error *error)
{
    const char *name = path_name(path);
    const int parent_size = (int)(name - path);
    struct dirent **entries = NULL;
    int left = DIRECTORIES_AT_MOST;
    char *parent = path_directory(path, error);
    const int count = parent ? scandir(parent, &entries, NULL, alphasort) : 0;
    bool done = parent != NULL;
    for (int i = 0; i < count; i++) {
        const char *found = entries[i]->d_name;
        char *directory = begins_with(found, name) && (is_hidden(found) == is_hidden(name))
                              ? subdirectory(parent, entries[i])
                              : NULL;
        if (done && directory && leads_to_model(directory, LEVELS_BELOW, &left))
            done = buffer_print(out, error, "%s%.*s%s\n", before, parent_size, path, found);
        free(directory);
        free(entries[i]);
    }
    free(entries);
    free(parent);
    return done;
}
