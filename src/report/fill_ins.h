/* fills.jsonl: what a model in training says in the blanks of a few held-out sentences, which are
 * the same in every evaluation. Each line is a JSON object for a sentence:
 *
 *     {"step": 100, "text": "and abraham gave all [MASK] he had unto isaac.", "word": "that",
 *      "fill": [{"score": 0.31, "token_str": "the"}, {"score": 0.12, "token_str": "that"}, ...]}
 *
 * "word" is the token of the text in the place of the blank, "fill" has the FILL_IN_TOP best tokens
 * of the model, the most probable first. */
#ifndef CLOZE_REPORT_FILL_INS_H
#define CLOZE_REPORT_FILL_INS_H

#include "base/append_file.h"

enum { FILL_INS_MAX = 5, FILL_IN_TOP = 3, FILL_IN_TEXT = 64 };

struct fill_in {
    char text[FILL_IN_TEXT]; /* the sentence with [MASK] */
    const char *word;        /* tokens belong to the vocabulary */
    struct {
        const char *token;
        double probability;
    } top[FILL_IN_TOP];
};

/* The fill-ins of an evaluation; none if there are no fit sentences. */
struct fill_ins {
    int count;
    struct fill_in items[FILL_INS_MAX];
};

/* Appends the fill-ins after a step to the file, which record_file_open has opened; all of them in
 * one piece. */
bool fill_ins_write(struct append_file *file, int64_t step, const struct fill_ins *fills,
                    struct error *error);

#endif
