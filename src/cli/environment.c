#include "cli/environment.h"

#include "base/log.h"
#include "base/machine.h"
#include "base/nearest.h"
#include "math/openblas.h"
#include "math/panels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct environment_variable environment_variables[ENVIRONMENT_VARIABLES] = {
    {"OMP_NUM_THREADS", "the number of threads, unless 'train.threads' of the configuration says "
                        "another; without both, the processors that the process may use"},
    {"OMP_THREAD_LIMIT", "the largest number of threads"},
    {"CLOZE_FP32_KERNELS",
     "kernels for matrix products in fp32: avx512, avx2 or openblas, to compare slower ones with "
     "the best that the processor has, which are the default"},
    {"CLOZE_BF16_KERNELS", "the same in bf16: amx or avx512"},
    {"CLOZE_BLAS_KERNELS", "kernels of OpenBLAS, by the names that it has for them, where cloze "
                           "chooses others because OpenBLAS does not know the processor"},
    {"TMPDIR", "the directory of temporary files (/tmp)"},
    {"TERM", "where it is not set, or is dumb, progress is not drawn on one live line"},
};

/* Warns of a misspelt name such as CLOZE_FP32_KERNEL, which would have no effect. A name that is
 * far from all of cloze's names may belong to a script. */
static void warn_of_misspelt(const char *entry, struct log *log)
{
    char name[64];
    size_t length = strcspn(entry, "=");
    if (strncmp(entry, "CLOZE_", 6) != 0 || length >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", (int)length, entry);
    const char *names[ENVIRONMENT_VARIABLES];
    for (size_t i = 0; i < ENVIRONMENT_VARIABLES; i++)
        names[i] = environment_variables[i].name;
    const char *nearest = nearest_word(name, names, ENVIRONMENT_VARIABLES);
    if (nearest && strcmp(nearest, name) != 0)
        log_warning(log, "cloze does not read %s; did you mean %s?", name, nearest);
}

bool environment_check(struct error *error)
{
    struct log log = log_open(stderr);
    for (char **entry = environ; entry && *entry; entry++)
        warn_of_misspelt(*entry, &log);
    return panels_fp32_check(getenv("CLOZE_FP32_KERNELS"), error) &&
           panels_bf16_check(getenv("CLOZE_BF16_KERNELS"), error) && blas_check_core_type(error) &&
           machine_check_threads("OMP_NUM_THREADS", getenv("OMP_NUM_THREADS"), error) &&
           machine_check_threads("OMP_THREAD_LIMIT", getenv("OMP_THREAD_LIMIT"), error);
}
