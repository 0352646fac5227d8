/* What a text is like: its size, documents, sentences, words, scripts, and how it uses lines, from
 * a sample of its files when it is large. `cloze init` chooses a recipe by it. */
#ifndef CLOZE_DATA_TEXT_SURVEY_H
#define CLOZE_DATA_TEXT_SURVEY_H

#include "data/corpus.h"

/* Text is read until so many bytes of it, decompressed, have been looked at: some seconds. */
enum { SURVEY_BYTES = 32 << 20, SURVEY_SCRIPTS = 3 };

struct survey_script {
    char name[32]; /* as Unicode calls it: "Latin" */
    double share;  /* of all letters, 0 to 1 */
};

struct text_survey {
    size_t files;
    uint64_t file_bytes; /* of all files, as they are on the disk */
    bool sampled;        /* whether only a part was read */
    double read_share;   /* about which part of the files' bytes was read, above 0, at most 1 */

    /* Counts of what was read: */
    struct corpus_counts counts;
    uint64_t lines;            /* that are not blank */
    uint64_t sentences, words; /* words of the normalizer, which counts punctuation */
    uint64_t equal_documents;  /* documents whose text another one had before */
    uint64_t short_documents;  /* documents of one sentence */
    uint64_t cut_documents;  /* documents whose end was not read; counts.documents has them, too */
    uint64_t sentence_lines; /* lines of exactly one sentence */
    uint64_t open_lines; /* lines whose last character is a letter or a comma: sentences that go on
                          * in the next line, or titles */
    uint64_t narrow_lines;                        /* lines of 40 to 100 characters, with spaces */
    struct survey_script scripts[SURVEY_SCRIPTS]; /* the most frequent ones, falling */
    int script_count;
    double accent_share; /* of letters with accents and of marks, compared with all letters */
};

/* Surveys the files. When one holds more than its share of SURVEY_BYTES, or they are more than 64,
 * the sample is the beginnings of files at equal distances in the list. The errors are those of
 * corpus_reader_next, and a text without a word is one. The log gets a live line. */
bool text_survey_take(struct text_survey *survey, const struct corpus_files *files,
                      struct text_field text_field, struct log *log, struct error *error);

/* Extrapolates a count of the sample to the whole text. */
uint64_t text_survey_whole(const struct text_survey *survey, uint64_t count);

/* Returns the documents of the whole text. One that was cut stands for itself alone, and each file
 * has one at least. */
uint64_t text_survey_documents(const struct text_survey *survey);

/* Returns whether each line is a sentence: then a run should not look for sentences in it. */
bool text_survey_has_sentence_lines(const struct text_survey *survey);

/* Returns whether lines look broken at a fixed width, in the middle of sentences. */
bool text_survey_has_wrapped_lines(const struct text_survey *survey);

#endif
