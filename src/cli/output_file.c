#include "cli/output_file.h"

#include "base/file.h"
#include "base/partial.h"
#include "data/corpus.h"
#include "model/safetensors.h"
#include "report/report_page.h"
#include "text/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* True if the path is a regular file that is not empty. Anything else is refused when it is
 * written. */
static bool holds_something(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
}

bool output_file_check_name(const char *output, struct error *error)
{
    if (!*output)
        return fail_input(error, "--output: the name is empty");
    return strcmp(output, "-") != 0 ||
           fail_input(error, "--output: - is not the standard output here; expected a name, such "
                             "as ./-");
}

static bool fail_kind(const char *output, const char *kind, struct error *error)
{
    return fail_input(error,
                      "--output: %s already exists and is not %s; choose another name, or remove "
                      "it first",
                      output, kind);
}

static bool check_input(const char *output, const char *partial, const char *input,
                        struct error *error)
{
    if (path_same_file(output, input))
        return fail_input(error, "--output: %s is also an input (%s); choose another name", output,
                          input);
    if (path_same_file(partial, input))
        return fail_input(error,
                          "--output: %s is written to %s first, which is also an input; choose "
                          "another name",
                          output, partial);
    return true;
}

bool output_file_check_inputs(const char *output, const char *const *inputs, size_t count,
                              struct error *error)
{
    struct corpus_files files;
    if (!corpus_files_expand(&files, inputs, count, error))
        return false;
    char *partial = partial_path(output, error);
    bool apart = partial;
    for (size_t i = 0; i < files.count && apart; i++)
        apart = check_input(output, partial, files.paths[i], error);
    free(partial);
    corpus_files_free(&files);
    return apart;
}

/* Checks that no model, tokenizer or run next to the output depends on its present contents: with
 * another vocabulary they would be useless. */
static bool check_neighbours(const char *output, struct error *error)
{
    static const char *const names[] = {"config.json", "tokenizer.json", "tokenizer_config.json",
                                        "vocabulary.json"};
    char *directory = path_directory(output, error);
    bool alone = directory;
    for (size_t i = 0; i < sizeof names / sizeof *names && alone; i++) {
        char *path = path_join(directory, names[i], error);
        alone = path && (!path_exists(path) ||
                         fail_input(error,
                                    "--output: %s is the vocabulary of a model or a run (%s is "
                                    "next to it); choose another name",
                                    output, path));
        free(path);
    }
    free(directory);
    return alone;
}

bool output_file_check_vocabulary(const char *output, struct error *error)
{
    struct error ignored = {0};
    if (!holds_something(output))
        return true;
    struct vocabulary *vocabulary = vocabulary_load(output, &ignored);
    vocabulary_free(vocabulary);
    return (vocabulary || fail_kind(output, "a vocabulary", error)) &&
           check_neighbours(output, error);
}

bool output_file_check_tensors(const char *output, const char *tensor, const char *kind,
                               struct error *error)
{
    struct error ignored = {0};
    struct safetensors file;
    if (!holds_something(output))
        return true;
    bool same_kind = safetensors_open(output, &file, &ignored);
    if (same_kind) {
        same_kind = safetensors_find(&file, tensor);
        safetensors_close(&file);
    }
    return same_kind || fail_kind(output, kind, error);
}

/* Reads up to `size` bytes from the beginning of a file. Returns their number; 0 if it cannot be
 * read. */
static size_t read_begin(const char *path, char *begin, size_t size)
{
    FILE *file = fopen(path, "rb");
    const size_t count = file ? fread(begin, 1, size, file) : 0;
    if (file)
        fclose(file);
    return count;
}

bool output_file_check_npy(const char *output, struct error *error)
{
    static const char magic[] = "\x93NUMPY";
    char begin[sizeof magic - 1];
    return !holds_something(output) ||
           (read_begin(output, begin, sizeof begin) == sizeof begin &&
            memcmp(begin, magic, sizeof begin) == 0) ||
           fail_kind(output, "a .npy file", error);
}

bool output_file_check_page(const char *output, struct error *error)
{
    char begin[128];
    return !holds_something(output) ||
           report_page_begins(begin, read_begin(output, begin, sizeof begin)) ||
           fail_kind(output, "a page of 'cloze report'", error);
}
