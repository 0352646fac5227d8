/* warnings.jsonl, where the disk is full for a while. */
#include "support/contents.h"
#include "support/full_disk.h"
#include "support/scratch.h"
#include "train/warning_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void warnings_are_kept_again_after_a_full_disk(void **state)
{
    struct scratch *scratch = *state;
    struct error error = {0};
    struct log log = {0};
    struct warning_records records;
    const int64_t step = 0;
    warning_records_begin(&records, &log);
    log_warning(&log, "%d", 0); /* before there is a run directory */
    assert_true(warning_records_open(&records, scratch->directory, -1, &step, &error));
    const struct full_disk disk = full_disk_begin(30);
    log_warning(&log, "first");
    log_warning(&log, "second");
    full_disk_end(&disk);
    log_warning(&log, "third\nline");
    warning_records_close(&records);
    log_warning(&log, "fourth"); /* nobody listens any more */
    struct buffer text = contents_of(scratch_path(scratch, "warnings.jsonl"));
    assert_string_equal(text.data, "{\"step\": 0, \"warning\": \"0\"}\n"
                                   "{\"step\": 0, \"warning\": \"third\\nline\"}\n");
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SCRATCH_TEST(warnings_are_kept_again_after_a_full_disk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
