/* The pseudo-log-likelihood of a sentence under a masked language model (Salazar et al. 2020), as
 * PLL-word-l2r (Kauf & Ivanova 2023):
 *
 *     PLL(s) = sum over the tokens t of s:
 *              log P(t | s in which t and the later pieces of its word are [MASK])
 *
 * The later pieces are masked as well because they would give away the earlier ones. A word is a
 * token with the "##" tokens after it. Every token takes one copy of the sentence, and the copies
 * of many sentences run in one unpadded batch. */
#ifndef CLOZE_MODEL_PSEUDO_LIKELIHOOD_H
#define CLOZE_MODEL_PSEUDO_LIKELIHOOD_H

#include "model/model.h"
#include "text/vocabulary.h"

struct pseudo_likelihood;

/* The model, which must have the MLM head, and the vocabulary stay the caller's. OpenMP may have at
 * most `threads` threads whenever scores are computed. NULL on failure. */
struct pseudo_likelihood *pseudo_likelihood_create(const struct model *model,
                                                   const struct vocabulary *vocabulary, int threads,
                                                   struct error *error);
void pseudo_likelihood_free(struct pseudo_likelihood *scorer); /* NULL is accepted */

/* Adds a sentence of `count` ids without [CLS] and [SEP], at most as many as the model has
 * positions with these two. The ids are copied. *score must stay valid until the next
 * pseudo_likelihood_finish, by which it becomes the sentence's PLL, 0 without ids; until then its
 * value is undefined. Cannot fail. */
void pseudo_likelihood_add(struct pseudo_likelihood *scorer, const int32_t *ids, int count,
                           double *score);

/* Computes what has been added and is not computed yet. */
void pseudo_likelihood_finish(struct pseudo_likelihood *scorer);

#endif
