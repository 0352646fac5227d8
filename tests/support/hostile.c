#include "support/hostile.h"

#include "base/file.h"
#include "support/program.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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
    write_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n");
}

void make_directory(const char *name)
{
    assert_int_equal(mkdir(name, 0700), 0);
}

void make_fifo(const char *name)
{
    assert_int_equal(mkfifo(name, 0600), 0);
}

static void assert_row(const struct hostile_row *row)
{
    struct error error = {0};
    print_message("  %s: %s\n", row->arguments[0], row->message);
    make_directory("row");
    assert_int_equal(chdir("row"), 0);
    row->make();
    assert_cloze_says(row->status, row->message, row->arguments);
    assert_int_equal(chdir(".."), 0);
    assert_true(directory_remove("row", &error));
}

void assert_hostile_rows(const struct hostile_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_row(&rows[i]);
}
