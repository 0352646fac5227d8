#include "support/hostile.h"

#include "base/directory.h"
#include "support/program.h"
#include "support/scratch.h"

#include <ftw.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

void write_text(const char *name, const char *text)
{
    struct scratch here = {.directory = "."};
    scratch_write_text(&here, name, text);
}

void write_vocabulary(void)
{
    write_text("vocab.txt", SPECIAL_TOKENS "a\nb\n");
}

void make_directory(const char *name)
{
    assert_int_equal(mkdir(name, 0700), 0);
}

void make_fifo(const char *name)
{
    assert_int_equal(mkfifo(name, 0600), 0);
}

/* Returns the names in the working directory, with the hidden ones. */
static glob_t names_here(void)
{
    glob_t names = {0};
    assert_int_equal(glob("*", GLOB_PERIOD, NULL, &names), 0); /* there is at least "." */
    return names;
}

static bool has_name(const glob_t *names, const char *name)
{
    for (size_t i = 0; i < names->gl_pathc; i++)
        if (strcmp(names->gl_pathv[i], name) == 0)
            return true;
    return false;
}

static int is_partial(const char *path, const struct stat *status, int type, struct FTW *place)
{
    const char *ending = strrchr(path, '.');
    (void)status, (void)type, (void)place;
    if (!ending || strcmp(ending, ".partial") != 0)
        return 0;
    print_error("%s is left over\n", path);
    return 1;
}

/* Asserts that no new file is left, except a run directory without partial files. */
static void assert_nothing_new(const glob_t *before)
{
    enum { DESCRIPTORS = 16 };
    glob_t after = names_here();
    for (size_t i = 0; i < after.gl_pathc; i++) {
        const char *name = after.gl_pathv[i];
        if (!has_name(before, name) && strcmp(name, "run") != 0)
            fail_msg("%s is left over", name);
    }
    assert_int_equal(nftw(".", is_partial, DESCRIPTORS, FTW_PHYS), 0);
    globfree(&after);
}

static void assert_row(const struct hostile_row *row)
{
    struct error error = {0};
    print_message("  %s: %s\n", row->arguments[0], row->message);
    make_directory("row");
    assert_int_equal(chdir("row"), 0);
    row->make();
    glob_t before = names_here();
    assert_cloze_says(row->status, row->message, row->arguments);
    assert_nothing_new(&before);
    globfree(&before);
    assert_int_equal(chdir(".."), 0);
    assert_true(directory_remove("row", &error));
}

void assert_hostile_rows(const struct hostile_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_row(&rows[i]);
}
