/* The exchange of gradients between the ranks of a data-parallel training: each rank has some
 * sequences of a step's batch, and all come to the same parameters.
 *
 * The block of gradients is divided into buckets, from its end to its beginning, because the
 * backward pass completes gradients in about that order: the heads', those of the last layer and so
 * on. A bucket is exchanged while the backward pass goes on. Each rank owns a piece of each bucket:
 *
 *   1. every rank sends each piece to its owner, in fp32 or bf16;
 *   2. the owner adds them up in fp32, in the order of the ranks, so that the sum has the same bits
 *      whatever the MPI library, the network and the order of arrival;
 *   3. the owner sends the sum, in the same format, to all others or, if the optimizer is sharded,
 *      updates its own parameters by it and sends these, in fp32.
 *
 * So each rank sends (N - 1) / N of the block twice, as in a ring, but adds in a fixed order.
 *
 * A sharded optimizer (ZeRO, stage 1: Rajbhandari et al. 2020) has moments of the pieces that the
 * rank owns alone. With sync_every, ranks train for themselves between synchronizations (DiLoCo,
 * Douillard et al. 2023; optim/outer.h); then nothing is exchanged but losses.
 *
 * All functions are called by the thread that trains. A rank that is lost ends the process: they
 * return no error for it. */
#ifndef CLOZE_TRAIN_EXCHANGE_H
#define CLOZE_TRAIN_EXCHANGE_H

#include "model/objective.h"
#include "optim/outer.h"
#include "optim/trainee.h"
#include "train/process_group.h"

struct exchange_options {
    bool bf16;                  /* gradients are sent in bf16 */
    bool sharded;               /* each rank has the moments of its own pieces alone */
    int64_t sync_every;         /* steps between synchronizations; 1: each step */
    struct outer_options outer; /* of synchronizations, if sync_every is above 1 */
};

struct exchange;

/* Returns the sequences of a batch that this rank has. The batch is divided as evenly as
 * possible; the first ranks may have one sequence more. */
struct batch_share exchange_share(const struct process_group *group, int batch_size);

/* Opens the exchange of a trainee, which must outlive it. With sync_every above 1 the trainee
 * has what outer steps need (trainee_create_outer). *exchange is NULL without a group. On
 * failure, which means that memory is short, the caller closes *exchange all the same. */
bool exchange_open(struct exchange **exchange, struct process_group *group, struct trainee *trainee,
                   const struct exchange_options *options, struct error *error);
void exchange_close(struct exchange *exchange); /* NULL is accepted */

/* Returns the bytes that exchange_open and trainee_create_outer allocate for blocks of so many
 * elements; 0 for one rank. */
uint64_t exchange_bytes(uint64_t elements, int ranks, const struct exchange_options *options);

/* ---- A step, on all ranks at once ---- */

/* Tells the other ranks how many predictions and tokens this rank's share of the batch has, and
 * begins to exchange gradients, as they are completed. Returns what objective_gradients needs,
 * which points into the exchange; sets *tokens to those of the whole batch. */
struct objective_share exchange_begin(struct exchange *exchange, const struct batch *batch,
                                      int first_example, int64_t *tokens);

/* Waits until the gradients are the sums over all ranks: all of them or, of a sharded optimizer,
 * the pieces of this rank. Where ranks train for themselves they stay what they are. */
void exchange_finish(struct exchange *exchange);

/* Returns the norm of the whole gradient (where ranks train for themselves, the root mean square of
 * their norms), and sets *own_norm to the norm that clipping goes by. *sums become those of all
 * ranks. */
double exchange_norm(struct exchange *exchange, struct objective_sums *sums, double *own_norm);

/* Updates the parameters that this rank updates, and clears the gradients. */
void exchange_update(struct exchange *exchange, const struct adam_update *update);

/* Ends a step with or without an update: brings the parameters of a sharded optimizer to all
 * ranks. If ranks train for themselves and a synchronization is due, takes the mean of their
 * parameters and moments, and an outer step. */
void exchange_end(struct exchange *exchange, int64_t step);

/* ---- Between steps, on all ranks at once ---- */

/* True if the parameters after a step are the same on all ranks; NULL is accepted. */
bool exchange_is_synchronized(const struct exchange *exchange, int64_t step);

/* Brings all moments of a sharded optimizer to rank 0, into the blocks `first` and `second`;
 * both are NULL on the other ranks. */
void exchange_collect_moments(struct exchange *exchange, real *first, real *second);

/* Checks that all ranks have the same parameters, bit for bit; the error names the first rank that
 * has others. */
bool exchange_check_parameters(struct exchange *exchange, struct error *error);

/* Returns the seconds of exchanges during computation so far: those that it did not wait for. */
double exchange_hidden_seconds(const struct exchange *exchange);

#endif
