/* Whether a launcher has started this process as one of several, by the variables that it sets:
 * Open MPI's mpirun, launchers with the process management interface (MPICH's Hydra, Intel MPI,
 * srun --mpi=pmi2), and those with PMIx (srun --mpi=pmix). */
#ifndef CLOZE_TRAIN_PROCESS_GROUP_LAUNCH_H
#define CLOZE_TRAIN_PROCESS_GROUP_LAUNCH_H

#include <stdbool.h>
#include <stdlib.h>

/* Returns the largest number among the variables that are set, or -1: a job may be started within
 * another one. */
static inline long launch_number(const char *const *names, int count)
{
    long largest = -1;
    for (int i = 0; i < count; i++) {
        const char *value = getenv(names[i]);
        const long number = value ? strtol(value, NULL, 10) : -1;
        largest = number > largest ? number : largest;
    }
    return largest;
}

/* Returns the rank that the launcher has given this process; -1: there is no launcher. */
static inline long launch_rank(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"};
    return launch_number(names, 3);
}

/* Returns how many processes the launcher has started; -1: it does not say. PMIx does not. */
static inline long launch_size(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    return launch_number(names, 3);
}

/* True if a launcher has started several processes; where it does not say so, a rank above 0
 * tells. */
static inline bool launch_is_of_several(void)
{
    const long rank = launch_rank();
    return rank >= 0 && (launch_size() > 1 || rank > 0);
}

#endif
