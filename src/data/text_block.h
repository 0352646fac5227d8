/* A block of text on its way to the shards: some documents, or a part of a long one, and what they
 * become: sentences of ids. */
#ifndef CLOZE_DATA_TEXT_BLOCK_H
#define CLOZE_DATA_TEXT_BLOCK_H

#include "data/corpus.h"
#include "text/sentences.h"
#include "text/text_encoder.h"
#include "text/tokenizer.h"

/* A block is closed when it holds this much; only one of a single longer line is larger. Small
 * enough for the second-level cache, large enough that handing it from thread to thread costs
 * nothing. */
enum { TEXT_BLOCK_SIZE = 256 << 10 };

struct text_piece {
    size_t end; /* of its text, in bytes of the block */
    bool ends_document;
    bool held_out;
    size_t sentences_end; /* of its sentences, among the block's; set by encoding */
};

/* Zero-initialize; the memory is kept from one filling to the next. */
struct text_block {
    char *text; /* lines, each with "\n" after it */
    size_t size, capacity;
    struct text_piece *pieces;
    size_t piece_count, piece_capacity;

    int32_t *ids;
    size_t id_count, id_capacity;
    size_t *sentence_ends; /* [sentence_count] in ids; no sentence is empty */
    size_t sentence_count, sentence_capacity;
    size_t characters;             /* of the text, as utf8_count_printing counts them */
    struct text_encoder_loss loss; /* what of them became [UNK] */
};

void text_block_free(struct text_block *block);

/* Which documents are held out: those whose hash is below `fraction` of all hashes (XXH3 of the
 * text, of a document longer than TEXT_BLOCK_SIZE of its first piece). Equal documents are on the
 * same side. */
struct holdout {
    double fraction;
    bool document_held_out; /* the one whose pieces are being read */
};

/* Reads the next pieces into the block, replacing what it held. *end: there were none. */
bool text_block_read(struct text_block *block, struct corpus_reader *reader,
                     struct holdout *holdout, bool *end, struct error *error);

/* What a thread needs for encoding. */
struct block_encoder {
    struct text_encoder *encoder;
    struct sentence_splitter *splitter; /* NULL: every line is one sentence */
};

bool block_encoder_open(struct block_encoder *encoder, const struct tokenizer *tokenizer,
                        bool split_sentences, struct error *error);
void block_encoder_close(struct block_encoder *encoder);

/* Fills in the block's ids and sentences. */
bool text_block_encode(struct text_block *block, struct block_encoder *encoder,
                       struct error *error);

#endif
