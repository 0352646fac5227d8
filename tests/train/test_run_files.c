/* Which files are those of a run. */
#include "base/buffer.h"
#include "base/hash.h"
#include "support/scratch.h"
#include "train/run_config.h"
#include "train/run_files.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void a_long_configuration_is_that_of_a_run(void **state)
{
    enum { SIZE = 17 << 20 };
    struct scratch *scratch = *state;
    struct buffer text = {0}, file = {0};
    struct error error = {0};
    bool started = false;
    assert_true(buffer_print(&text, &error, "#%*s\n", SIZE, "") &&
                buffer_print(&file, &error,
                             "# The effective configuration of a run of cloze, xxh3 %016" PRIx64
                             "\n",
                             hash_bytes(text.data, text.size)) &&
                buffer_append(&file, text.data, text.size, &error));
    scratch_write(scratch, "config.yaml", file.data, file.size);
    assert_true(run_files_started(scratch->directory, &started, &error));
    assert_true(started);
    buffer_free(&text);
    buffer_free(&file);
}

/* As that of a run that is resumed. */
static void a_long_configuration_is_loaded(void **state)
{
    enum { SIZE = 17 << 20 };
    struct buffer text = {0};
    struct error error = {0};
    assert_true(
        buffer_print(&text, &error, "#%*s\noutput: run\ndata: {train: [text.txt]}\n", SIZE, ""));
    const char *path = scratch_write(*state, "run.yaml", text.data, text.size);
    struct run_config *config = run_config_load(&run_config_schema, path, NULL, 0, NULL, &error);
    if (!config)
        fail_msg("%s", error.message);
    run_config_free(config);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_long_configuration_is_that_of_a_run),
        SCRATCH_TEST(a_long_configuration_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
