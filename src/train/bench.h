/* The speed of training, on batches made up for the purpose: the very step that `train` takes, with
 * full-length pairs, masks and labels as data/ makes them, and words as frequent as in text. */
#ifndef CLOZE_TRAIN_BENCH_H
#define CLOZE_TRAIN_BENCH_H

#include "base/log.h"
#include "nn/profile.h"
#include "train/run_config.h"

struct bench_options {
    const char *size; /* of model_config_size */
    int seq_len, batch_size;
    enum precision precision;
    int64_t steps;  /* to measure; 0: `seconds` decide */
    double seconds; /* of measuring, at least three steps */
    int threads;    /* of OpenMP, set by the caller */
};

struct bench_result {
    struct model_config architecture;
    uint64_t parameters;
    int micro_batch_size;
    int64_t steps;                     /* measured */
    double step_seconds;               /* the median */
    double fastest, slowest;           /* step, seconds */
    double loss;                       /* of the last step */
    double tokens_per_second;          /* of the median step, like all below */
    double model_flops_per_second;     /* forward and backward (bench_flops) */
    double gemm_peak_flops_per_second; /* measured before the steps (gemm_peak.h) */
    double phase_seconds[PHASE_COUNT]; /* add up to step_seconds */
    double gemm_share;                 /* model / peak */
    double non_gemm_time;              /* share of the time outside of products */
    uint64_t peak_memory;              /* resident, bytes, of the process until now */
};

/* Multiplications and additions that training on these sequences takes: 6 for each token and weight
 * of the encoder's matrices, 12 L H for each token and layer in attention over L tokens, and
 * 6 (V H + H^2) for each prediction. In the last layer only keys and values are of all tokens, the
 * rest of those that the heads read: a prediction's, and one a sequence. */
double bench_flops(const struct model_config *config, int sequences, int seq_len, int masked);

/* Sizes, lengths and memory that do not fit are ERROR_INPUT. Draws a live line on the log. */
bool bench_run(const struct bench_options *options, struct bench_result *result, struct log *log,
               struct error *error);

#endif
