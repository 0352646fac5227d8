/* The speed of training: the same step that `train` takes, on invented batches of full-length
 * pairs, with masks and labels as data/ makes them, and words as frequent as in text. */
#ifndef CLOZE_BENCH_BENCH_H
#define CLOZE_BENCH_BENCH_H

#include "base/log.h"
#include "model/config.h"
#include "nn/profile.h"
#include "train/exchange.h"

struct bench_options {
    const char *size; /* a size of model_config_size */
    int vocab_size;   /* number of tokens; 0: that of the size */
    int seq_len, batch_size;
    bool bf16;
    int64_t steps;                    /* number of steps to measure; 0: as many as take `seconds` */
    double seconds;                   /* how long to measure, at least three steps */
    int threads;                      /* the threads of OpenMP, which the caller has set */
    struct process_group *group;      /* of the ranks that measure together; NULL: one process */
    struct exchange_options exchange; /* how they exchange gradients */
    bool of_run; /* whether the memory is to suffice for a run, which also saves checkpoints, and a
                    lack of it is told by the keys of a configuration, not by the options */
};

struct bench_result {
    struct model_config architecture;
    uint64_t parameters;
    int micro_batch_size;
    int64_t steps;                     /* number of measured steps */
    double step_seconds;               /* seconds of the median step */
    double fastest, slowest;           /* seconds of the fastest and the slowest step */
    double loss;                       /* loss of the last step */
    double tokens_per_second;          /* speed of the median step, to which all below refers; of
                                          all ranks, as the next two */
    double model_flops_per_second;     /* of the forward and backward pass (bench_flops) */
    double gemm_peak_flops_per_second; /* measured before the steps (gemm_peak.h) */
    double phase_seconds[PHASE_COUNT]; /* add up to step_seconds */
    double gemm_share;                 /* model_flops_per_second / gemm_peak_flops_per_second */
    double non_gemm_time;              /* share of the time that is spent outside of products */
    uint64_t peak_memory;              /* largest resident memory of the process, bytes */
    double hidden_exchange; /* seconds of a step in which ranks exchanged gradients while they
                               computed */
};

/* Returns the multiplications and additions of training on these sequences: 6 for each token and
 * weight of the encoder's matrices, 12 L H for each token and layer in attention over L tokens, and
 * 6 (V H + H^2) for each prediction. In the last layer only keys and values are computed for all
 * tokens, the rest for the head tokens: those with a prediction, and one a sequence. */
double bench_flops(const struct model_config *config, int sequences, int seq_len, int predicted);

/* Measures the speed, on all ranks at once, and draws a live line on the log. Sizes and lengths
 * that do not fit, and a lack of memory, are ERROR_INPUT. */
bool bench_run(const struct bench_options *options, struct bench_result *result, struct log *log,
               struct error *error);

#endif
