/* The examples of labelled files (data/labelled_rows.h), encoded and held in memory: 4 bytes for a
 * token, 8 for a word with a label, 56 for an example, and while they grow as much again. The texts
 * themselves are not kept, but for the words if that is asked for. */
#ifndef CLOZE_DATA_LABELLED_SET_H
#define CLOZE_DATA_LABELLED_SET_H

#include "base/log.h"
#include "data/batch.h"
#include "data/corpus.h"
#include "data/label_list.h"
#include "data/labelled_encoder.h"
#include "data/labelled_rows.h"

struct labelled_example {
    size_t first_token; /* in `ids` */
    int32_t length;     /* [CLS] and [SEP] included */
    int32_t first_segment;
    size_t first_word; /* in `word_tokens` and `word_labels` */
    int32_t words;     /* 0 if words have no labels */
    int32_t predicted; /* number of words with a prediction */
    int32_t label;     /* the class; NO_LABEL in other tasks than classification */
    float value;       /* the number of regression; 0 in other tasks */
    uint32_t file;     /* index among the files */
    uint64_t line;     /* where it begins, from 1 */
};

/* The number of times that something happened, and the first place, "FILE:LINE", a long path cut at
 * its beginning (struct text_note). */
struct labelled_counts {
    uint64_t tokens, unknown;        /* before cutting, without special tokens; [UNK] among them */
    struct text_note cut;            /* examples that were cut */
    struct text_note empty;          /* examples without a token */
    struct text_note cut_words;      /* words without a prediction because they were cut */
    struct text_note words_no_token; /* words without a prediction because they have no token */
};

struct labelled_set {
    enum task_kind kind;
    struct labelled_example *examples; /* [count] in the order of the files */
    size_t count;
    int32_t *ids;         /* tokens of all examples */
    int32_t *word_tokens; /* of all words: index in the example's tokens, or NO_PREDICTION */
    int32_t *word_labels; /* of all words: the class */
    struct cells words;   /* all words; none unless they are kept */
    int max_length;       /* of the longest example */
    int max_predicted;    /* most predictions of an example */
    struct labelled_counts counts;

    size_t example_capacity, id_capacity, word_token_capacity, word_label_capacity;
    size_t id_count, word_count;
};

struct labelled_reading {
    const struct labelled_settings *settings; /* with LABELS_REQUIRED */
    const struct tokenizer *tokenizer;
    int max_length;  /* of an example with its special tokens; at most the model's positions */
    bool training;   /* whether at least two classes must occur */
    bool keep_words; /* whether the set has the words themselves */
};

/* Reads the files. If `labels` has labels, another one in a file is an error; if it is empty, it
 * gets those of the files, sorted (label_list_sort). NULL with regression. Errors name file and
 * line: those of the rows; an unknown label, with the known ones; a value that is not a finite
 * number with a decimal point. It is an error, too, if there is no example and, with `training`, if
 * all labels are the same. The set is zero before; the caller frees it, also on failure. */
bool labelled_set_read(struct labelled_set *set, const struct corpus_files *files,
                       const struct labelled_reading *reading, struct label_list *labels,
                       struct error *error);
void labelled_set_free(struct labelled_set *set);

/* Returns the memory of the set in bytes. */
uint64_t labelled_set_bytes(const struct labelled_set *set);

/* Replaces the batch's contents by the chosen examples in their order. Sequence labels are the
 * classes, sequence values the numbers of regression; the predicted tokens are the first pieces of
 * words, with the classes of the words as labels. Memory is allocated only if the batch's capacity
 * is too small (batch_reserve); it is enough with `count` * max_length tokens and `count` *
 * max_predicted predictions. */
bool labelled_set_batch(const struct labelled_set *set, const size_t *indices, size_t count,
                        struct batch *batch, struct error *error);

/* Logs what was cut and what is empty, a line for each. */
void labelled_set_log(const struct labelled_set *set, int max_length, struct log *log);

#endif
