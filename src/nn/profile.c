#include "nn/profile.h"

#include "base/machine.h"
#include "base/memory.h"

#include <omp.h>
#include <stdalign.h>
#include <stdlib.h>

static const struct {
    const char *name;
    bool gemm;
} phases[PHASE_COUNT] = {
    [PHASE_OTHER] = {"other", false},
    [PHASE_IDLE] = {"idle", false},
    [PHASE_EMBEDDING] = {"embedding", false},
    [PHASE_QUERY_KEY_VALUE] = {"query_key_value", true},
    [PHASE_ATTENTION_PRODUCTS] = {"attention_products", true},
    [PHASE_ATTENTION_SOFTMAX] = {"attention_softmax", false},
    [PHASE_ATTENTION_OUTPUT] = {"attention_output", true},
    [PHASE_FEED_FORWARD] = {"feed_forward", true},
    [PHASE_ACTIVATION] = {"activation", false},
    [PHASE_NORM] = {"norm", false},
    [PHASE_WEIGHT_GRADIENTS] = {"weight_gradients", true},
    [PHASE_HEADS] = {"heads", true},
    [PHASE_HEADS_ROWS] = {"heads_rows", false},
    [PHASE_CROSS_ENTROPY] = {"cross_entropy", false},
    [PHASE_WEIGHT_LAYOUT] = {"weight_layout", false},
    [PHASE_CLIP] = {"clip", false},
    [PHASE_ADAM] = {"adam", false},
    [PHASE_EXCHANGE] = {"exchange", false},
};

const char *profile_phase_name(enum profile_phase phase)
{
    return phases[phase].name;
}

bool profile_phase_is_gemm(enum profile_phase phase)
{
    return phases[phase].gemm;
}

/* The times of one thread, in cache lines of its own. */
struct lane {
    alignas(MEMORY_ALIGNMENT) enum profile_phase phase;
    double since;
    double seconds[PHASE_COUNT];
};

struct profile {
    int threads;
    struct lane lanes[];
};

struct profile *profile_create(int threads, struct error *error)
{
    CHECK(threads >= 1);
    size_t size = sizeof(struct profile) + (size_t)threads * sizeof(struct lane);
    struct profile *profile = allocate(1, size, error);
    if (!profile)
        return NULL;
    profile->threads = threads;
    profile_restart(profile);
    return profile;
}

void profile_free(struct profile *profile)
{
    free(profile);
}

void profile_restart(struct profile *profile)
{
    double now = machine_seconds();
    for (int i = 0; i < profile->threads; i++)
        profile->lanes[i] = (struct lane){.phase = PHASE_OTHER, .since = now};
}

/* Returns the calling thread's number in the only team around it that has several threads; there
 * may be regions of a single thread outside and inside of that team. */
static int thread_number(void)
{
    for (int level = 1; level <= omp_get_level(); level++)
        if (omp_get_team_size(level) > 1)
            return omp_get_ancestor_thread_num(level);
    return 0;
}

static void switch_lane(struct lane *lane, enum profile_phase phase, double now)
{
    lane->seconds[lane->phase] += now - lane->since;
    lane->phase = phase;
    lane->since = now;
}

void profile_switch(struct profile *profile, enum profile_phase phase)
{
    double now = machine_seconds();
    if (omp_in_parallel()) {
        int thread = thread_number();
        CHECK(thread < profile->threads);
        switch_lane(&profile->lanes[thread], phase, now);
        return;
    }
    for (int i = 0; i < profile->threads; i++)
        switch_lane(&profile->lanes[i], phase, now);
}

double profile_seconds(const struct profile *profile, enum profile_phase phase)
{
    double sum = 0;
    for (int i = 0; i < profile->threads; i++)
        sum += profile->lanes[i].seconds[phase];
    return sum / profile->threads;
}
