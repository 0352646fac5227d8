#include "data/text_block.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/text_encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void text_block_free(struct text_block *block)
{
    free(block->text);
    free(block->pieces);
    free(block->ids);
    free(block->sentence_ends);
    *block = (struct text_block){0};
}

/* ---- reading ---- */

/* Takes 53 bits of the hash, all that a double can hold, as a number in [0, 1). */
static bool is_held_out(const struct corpus_piece *piece, double fraction)
{
    return ldexp((double)(hash_bytes(piece->text, piece->size) >> 11), -53) < fraction;
}

static bool append_piece(struct text_block *block, const struct corpus_piece *piece, bool held_out,
                         struct error *error)
{
    if (!grow(&block->text, &block->capacity, block->size + piece->size + 1, 1, error) ||
        !grow(&block->pieces, &block->piece_capacity, block->piece_count + 1, sizeof *block->pieces,
              error))
        return false;
    memcpy(block->text + block->size, piece->text, piece->size);
    block->size += piece->size;
    block->text[block->size++] = '\n';
    block->pieces[block->piece_count++] = (struct text_piece){
        .end = block->size,
        .ends_document = piece->ends_document,
        .held_out = held_out,
    };
    return true;
}

bool text_block_read(struct text_block *block, struct corpus_reader *reader,
                     struct holdout *holdout, bool *end, struct error *error)
{
    block->size = block->piece_count = 0;
    while (block->size < TEXT_BLOCK_SIZE) {
        struct corpus_piece piece;
        bool last;
        if (!corpus_reader_next(reader, TEXT_BLOCK_SIZE, &piece, &last, error))
            return false;
        if (last)
            break;
        if (piece.begins_document)
            holdout->document_held_out = is_held_out(&piece, holdout->fraction);
        if (!append_piece(block, &piece, holdout->document_held_out, error))
            return false;
    }
    *end = block->piece_count == 0;
    return true;
}

/* ---- encoding ---- */

bool block_encoder_open(struct block_encoder *encoder, const struct tokenizer *tokenizer,
                        bool split_sentences, struct error *error)
{
    *encoder = (struct block_encoder){.encoder = text_encoder_create(tokenizer, error)};
    if (encoder->encoder && split_sentences)
        encoder->splitter = sentence_splitter_create(error);
    if (encoder->encoder && (encoder->splitter || !split_sentences))
        return true;
    block_encoder_close(encoder);
    return false;
}

void block_encoder_close(struct block_encoder *encoder)
{
    text_encoder_free(encoder->encoder);
    sentence_splitter_free(encoder->splitter);
    *encoder = (struct block_encoder){0};
}

/* Encodes a sentence; one without tokens is dropped. */
static bool encode_sentence(struct text_block *block, struct text_encoder *encoder,
                            const char *text, size_t size, struct error *error)
{
    const int32_t *ids;
    size_t count;
    if (!text_encoder_encode(encoder, text, size, &ids, &count, error))
        return false;
    if (count == 0)
        return true;
    if (!grow(&block->ids, &block->id_capacity, block->id_count + count, sizeof *block->ids,
              error) ||
        !grow(&block->sentence_ends, &block->sentence_capacity, block->sentence_count + 1,
              sizeof *block->sentence_ends, error))
        return false;
    memcpy(block->ids + block->id_count, ids, count * sizeof *ids);
    block->id_count += count;
    block->sentence_ends[block->sentence_count++] = block->id_count;
    return true;
}

static bool encode_line(struct text_block *block, struct block_encoder *encoder, const char *line,
                        size_t size, struct error *error)
{
    const size_t *ends = &size;
    size_t count = 1, start = 0;
    if (encoder->splitter &&
        !sentence_splitter_split(encoder->splitter, line, size, &ends, &count, error))
        return false;
    for (size_t i = 0; i < count; start = ends[i++])
        if (!encode_sentence(block, encoder->encoder, line + start, ends[i] - start, error))
            return false;
    return true;
}

static bool encode_pieces(struct text_block *block, struct block_encoder *encoder,
                          struct error *error)
{
    block->id_count = block->sentence_count = 0;
    size_t start = 0;
    for (size_t i = 0; i < block->piece_count; i++) {
        struct text_piece *piece = &block->pieces[i];
        while (start < piece->end) {
            const char *line = block->text + start;
            const char *newline = memchr(line, '\n', piece->end - start);
            size_t size = (size_t)(newline - line);
            if (!encode_line(block, encoder, line, size, error))
                return false;
            start += size + 1;
        }
        piece->sentences_end = block->sentence_count;
    }
    return true;
}

bool text_block_encode(struct text_block *block, struct block_encoder *encoder, struct error *error)
{
    const struct text_encoder_loss before = text_encoder_get_loss(encoder->encoder);
    if (!encode_pieces(block, encoder, error))
        return false;
    const struct text_encoder_loss after = text_encoder_get_loss(encoder->encoder);
    block->characters = utf8_count_printing(block->text, block->size);
    block->loss.characters = after.characters - before.characters;
    block->loss.long_words = after.long_words - before.long_words;
    return true;
}
