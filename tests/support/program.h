/* Runs the cloze program. Every failure to start or read it fails the test. */
#ifndef CLOZE_TESTS_SUPPORT_PROGRAM_H
#define CLOZE_TESTS_SUPPORT_PROGRAM_H

#include <sys/types.h>

struct program_result {
    int status;      /* exit status; 128 + N after signal N */
    char *out, *err; /* its whole output as strings */
};

/* Runs `cloze` with the arguments, which end with NULL, and waits for it. Free with
 * program_result_free. */
struct program_result run_cloze(const char *const *arguments);
#define RUN_CLOZE(...) run_cloze((const char *const[]){__VA_ARGS__, NULL})

/* As run_cloze; `prepare` is called in the new process before it becomes cloze, and `wait` is
 * called instead of wait_cloze. */
struct program_result run_cloze_watched(const char *const *arguments,
                                        void (*prepare)(void *context),
                                        int (*wait)(pid_t process, void *context), void *context);

void program_result_free(struct program_result *result);

/* Runs cloze and asserts on its status and that stderr contains `message`. */
void assert_cloze_says(int status, const char *message, const char *const *arguments);
#define ASSERT_CLOZE_SAYS(status, message, ...)                                                    \
    assert_cloze_says(status, message, (const char *const[]){__VA_ARGS__, NULL})

/* Runs cloze and asserts that it succeeds. */
void assert_cloze_succeeds(const char *const *arguments);
#define SUCCEED(...) assert_cloze_succeeds((const char *const[]){__VA_ARGS__, NULL})

/* Undoes what the surroundings of the tests may have: nohup ignores SIGHUP, a script SIGINT in its
 * background. Programs are started so. */
void heed_signals(void);

/* Starts cloze, discards its output and returns at once. */
pid_t start_cloze(const char *const *arguments);

/* Waits for the end of the process and returns its status as in program_result. */
int wait_cloze(pid_t process);

#endif
