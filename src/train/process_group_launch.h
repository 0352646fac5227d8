/* Whether a launcher has started this process as one of several, by the variables that it sets:
 * Open MPI's mpirun, launchers with the process management interface (MPICH's Hydra, Intel MPI,
 * srun --mpi=pmi2), and those with PMIx (srun --mpi=pmix). */
#ifndef CLOZE_TRAIN_PROCESS_GROUP_LAUNCH_H
#define CLOZE_TRAIN_PROCESS_GROUP_LAUNCH_H

#include <stdbool.h>
#include <stdlib.h>

/* Returns the number of the first variable that is set, or -1. */
static inline long launch_number(const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        const char *value = getenv(names[i]);
        if (value)
            return strtol(value, NULL, 10);
    }
    return -1;
}

/* Returns the rank that the launcher has given this process; -1: there is no launcher. */
static inline long launch_rank(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"};
    return launch_number(names, 3);
}

/* True if a launcher has started several processes. PMIx does not say how many; Slurm does, and
 * otherwise a rank above 0 tells. */
static inline bool launch_is_of_several(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    const long rank = launch_rank(), size = launch_number(names, 3);
    return rank >= 0 && (size > 1 || rank > 0);
}

#endif
