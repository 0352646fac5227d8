/* Any byte of any file of a checkpoint changed, and any file cut at any length: the checkpoint is
 * refused, the file named, and the checkpoint before it taken. Of the large files every byte of the
 * beginning, where the structure is, and of the end, and a sample of the others. */
#include "base/file.h"
#include "base/random.h"
#include "support/training_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WHOLE = 2500, EDGE = 600, SAMPLE = 600, SEED = 17 };

/* One file of the checkpoint of step 20; there is one of step 10. */
struct victim {
    struct training *training;
    char name[64]; /* "step-00000020/config.json" */
    struct buffer bytes;
    uint64_t faults;
};

/* In place: writing a file anew makes some file systems flush it. */
static void write_bytes(const struct victim *victim, size_t place, size_t size)
{
    int file =
        open(training_path(victim->training, victim->name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, victim->bytes.data + place, size, (off_t)place), size);
    assert_int_equal(close(file), 0);
}

static void expect_fallback(struct victim *victim)
{
    struct training *training = victim->training;
    fflush(training->log.stream);
    size_t before = training->warnings_size;
    assert_latest(training, "step-00000010");
    fflush(training->log.stream);
    const char *said = training->warnings + before;
    assert_non_null(strstr(said, "step-00000020 is damaged; skipping it: "));
    assert_non_null(strstr(said, victim->name));
    victim->faults++;
}

static void change_byte(struct victim *victim, size_t place, struct random *random)
{
    char *byte = &victim->bytes.data[place], kept = *byte;
    *byte = (char)(*byte ^ (char)(1 + random_below(random, 255)));
    write_bytes(victim, place, 1);
    expect_fallback(victim);
    *byte = kept;
    write_bytes(victim, place, 1);
}

static bool is_sampled(const struct victim *victim, size_t place, struct random *random)
{
    size_t size = victim->bytes.size;
    return size <= WHOLE || place < EDGE || size - place <= EDGE ||
           random_below(random, (uint32_t)size) < SAMPLE;
}

static void damage(struct victim *victim)
{
    struct random random = random_begin(SEED, RANDOM_TEST, victim->bytes.size, 0);
    for (size_t place = 0; place < victim->bytes.size; place++)
        if (is_sampled(victim, place, &random))
            change_byte(victim, place, &random);
    for (size_t size = victim->bytes.size; size-- > 0;)
        if (is_sampled(victim, size, &random)) {
            assert_int_equal(truncate(training_path(victim->training, victim->name), (off_t)size),
                             0);
            expect_fallback(victim);
        }
    assert_int_equal(remove(training_path(victim->training, victim->name)), 0);
    expect_fallback(victim);
    write_bytes(victim, 0, victim->bytes.size);
    assert_latest(victim->training, "step-00000020");
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void every_damage_is_noticed(void **state)
{
    struct training *training = *state;
    struct dirent **entries;
    uint64_t faults = 0;
    training_save(training, 10, 0);
    training_save(training, 20, 0);
    int count = scandir(training_path(training, "step-00000020"), &entries, is_file, alphasort);
    assert_int_equal(count, 8);
    for (int i = 0; i < count; i++) {
        struct error error = {0};
        struct victim victim = {.training = training};
        snprintf(victim.name, sizeof victim.name, "step-00000020/%.40s", entries[i]->d_name);
        assert_true(
            file_read(training_path(training, victim.name), 1 << 24, &victim.bytes, &error));
        damage(&victim);
        print_message("%s: %zu bytes, %llu faults\n", victim.name, victim.bytes.size,
                      (unsigned long long)victim.faults);
        faults += victim.faults;
        buffer_free(&victim.bytes);
        free(entries[i]);
    }
    free(entries);
    print_message("%llu faults, each noticed (seed %d)\n", (unsigned long long)faults, SEED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_damage_is_noticed, training_set_up,
                                        training_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
