/* Paths and other texts of a configuration: resolved when they are read, quoted when printed. */
#ifndef CLOZE_CONFIG_CONFIG_PATH_H
#define CLOZE_CONFIG_CONFIG_PATH_H

#include "base/buffer.h"

/* The path below the directory, which is absolute and free of links. Leading "." and ".." are
 * resolved. Of a pattern, the directory's own characters are escaped as glob(3) reads them. Owned
 * by the caller; NULL when memory is short. */
char *config_path_resolve(const char *directory, const char *path, bool pattern,
                          struct error *error);

/* Appends the text as YAML: in double quotes but for a plain absolute path. Text that is not UTF-8
 * is an input error. */
bool config_text_print(const char *text, struct buffer *out, struct error *error);

/* The same, always in quotes. */
bool config_text_quote(const char *text, struct buffer *out, struct error *error);

#endif
