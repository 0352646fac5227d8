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

static const char *const kernel_variables[] = {"CLOZE_FP32_KERNELS", "CLOZE_BF16_KERNELS",
                                               "CLOZE_BLAS_KERNELS"};

enum { KERNEL_VARIABLES = sizeof kernel_variables / sizeof *kernel_variables };

/* Warns of a misspelt name such as CLOZE_FP32_KERNEL, which would have no effect. A name that is
 * far from all of cloze's names may belong to a script. */
static void warn_of_misspelt(const char *entry, struct log *log)
{
    char name[64];
    size_t length = strcspn(entry, "=");
    if (strncmp(entry, "CLOZE_", 6) != 0 || length >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", (int)length, entry);
    const char *nearest = nearest_word(name, kernel_variables, KERNEL_VARIABLES);
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
