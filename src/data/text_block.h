/* A block of text on its way to the shards: some documents, or a part of a long one, and the
 * sentences of ids that they are encoded to. */
#ifndef CLOZE_DATA_TEXT_BLOCK_H
#define CLOZE_DATA_TEXT_BLOCK_H

#include "data/corpus.h"
#include "text/sentences.h"
#include "text/text_encoder.h"
#include "text/tokenizer.h"

/* The max size of a block, except for a block of one longer line. It is small enough for the
 * second-level cache, and large enough that passing blocks between threads costs nothing. */
enum { TEXT_BLOCK_SIZE = 256 << 10 };

struct text_piece {
    size_t end; /* end of its text in the block, in bytes */
    bool ends_document;
    bool held_out;
    size_t sentences_end; /* end of its sentences in the block's list; set by text_block_encode */
};

/* Zero-initialize it. Its memory is reused when it is filled again. */
struct text_block {
    char *text; /* lines, each followed by "\n" */
    size_t size, capacity;
    struct text_piece *pieces;
    size_t piece_count, piece_capacity;

    int32_t *ids;
    size_t id_count, id_capacity;
    size_t *sentence_ends; /* [sentence_count] ends in `ids`; no sentence is empty */
    size_t sentence_count, sentence_capacity;
    size_t characters;             /* number of characters, as utf8_count_printing counts them */
    struct text_encoder_loss loss; /* the characters and long words that became [UNK] */
};

void text_block_free(struct text_block *block);

/* The rule that holds documents out: those whose hash is in the lowest `fraction` of all hashes
 * (XXH3 of the text; if it is longer than TEXT_BLOCK_SIZE, of its first piece). Equal documents are
 * on the same side. */
struct holdout {
    double fraction;
    bool document_held_out; /* whether the current document, whose pieces are read, is held out */
};

/* Replaces the contents of the block by the next pieces. Sets *end if there are none. */
bool text_block_read(struct text_block *block, struct corpus_reader *reader,
                     struct holdout *holdout, bool *end, struct error *error);

/* The state of encoding in one thread. */
struct block_encoder {
    struct text_encoder *encoder;
    struct sentence_splitter *splitter; /* NULL: every line is one sentence */
};

bool block_encoder_open(struct block_encoder *encoder, const struct tokenizer *tokenizer,
                        bool split_sentences, struct error *error);
void block_encoder_close(struct block_encoder *encoder);

/* Sets the block's ids, sentences and counts. */
bool text_block_encode(struct text_block *block, struct block_encoder *encoder,
                       struct error *error);

#endif
