#include "cli/resume_command.h"

#include "base/file.h"
#include "base/shell.h"

#include <errno.h>
#include <stdlib.h>

bool resume_command_print(struct buffer *line, const char *command, const char *path,
                          const struct string_list *settings, struct error *error)
{
    bool done = shell_put(line, program_invocation_name, error) && shell_put(line, command, error);
    /* A name that begins with '-' would look like an option. */
    char *operand = path_join(path[0] == '-' ? "." : "", path, error);
    done = done && operand && shell_put(line, operand, error);
    for (size_t i = 0; i < settings->count && done; i++)
        done = shell_put(line, "--set", error) && shell_put(line, settings->items[i], error);
    free(operand);
    return done && shell_put(line, "--resume", error);
}
