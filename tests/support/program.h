/* Runs the cloze program. Every failure to start or read it fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_PROGRAM_H
#define CLOZE_TESTS_SUPPORT_PROGRAM_H

#include <sys/types.h>

struct program_result {
    int status;      /* of exit; 128 + N after signal N */
    char *out, *err; /* all that it wrote, terminated */
};

/* Runs `cloze` with the arguments, which end with NULL, and waits for it. Free with
 * program_result_free. */
struct program_result run_cloze(const char *const *arguments);
#define RUN_CLOZE(...) run_cloze((const char *const[]){__VA_ARGS__, NULL})

/* As run_cloze; `prepare` is called in the new process before it becomes cloze, `wait` in place of
 * wait_cloze. */
struct program_result run_cloze_watched(const char *const *arguments,
                                        void (*prepare)(void *context),
                                        int (*wait)(pid_t process, void *context), void *context);

void program_result_free(struct program_result *result);

/* Runs it and asserts on its status and that stderr contains `message`. */
void assert_cloze_says(int status, const char *message, const char *const *arguments);
#define ASSERT_CLOZE_SAYS(status, message, ...)                                                    \
    assert_cloze_says(status, message, (const char *const[]){__VA_ARGS__, NULL})

/* Runs it and asserts that it succeeds. */
void assert_cloze_succeeds(const char *const *arguments);
#define SUCCEED(...) assert_cloze_succeeds((const char *const[]){__VA_ARGS__, NULL})

/* Starts it with its output thrown away and returns at once. */
pid_t start_cloze(const char *const *arguments);

/* Waits for its end; the status as above. */
int wait_cloze(pid_t process);

#endif
