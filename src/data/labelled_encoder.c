#include "data/labelled_encoder.h"

#include "base/memory.h"
#include "base/min.h"
#include "text/text_encoder.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct labelled_encoder {
    struct text_encoder *texts;
    int max_length;
    int32_t cls, sep, unk;
    int32_t *ids;
    size_t count, capacity; /* ids */
    int32_t *word_tokens;
    size_t word_capacity;
};

struct labelled_encoder *labelled_encoder_create(const struct tokenizer *tokenizer, int max_length,
                                                 struct error *error)
{
    enum { MIN_LENGTH = 3 };
    if (max_length < MIN_LENGTH) {
        fail_input(error, "texts may have %d tokens; expected at least %d", max_length, MIN_LENGTH);
        return NULL;
    }
    struct labelled_encoder *encoder = allocate(1, sizeof *encoder, error);
    if (!encoder)
        return NULL;
    const struct vocabulary *vocabulary = tokenizer_vocabulary(tokenizer);
    encoder->max_length = max_length;
    encoder->cls = vocabulary_special(vocabulary, SPECIAL_CLS);
    encoder->sep = vocabulary_special(vocabulary, SPECIAL_SEP);
    encoder->unk = vocabulary_special(vocabulary, SPECIAL_UNK);
    encoder->texts = text_encoder_create(tokenizer, error);
    if (encoder->texts &&
        grow(&encoder->ids, &encoder->capacity, (size_t)max_length, sizeof *encoder->ids, error))
        return encoder;
    labelled_encoder_free(encoder);
    return NULL;
}

void labelled_encoder_free(struct labelled_encoder *encoder)
{
    if (!encoder)
        return;
    text_encoder_free(encoder->texts);
    free(encoder->ids);
    free(encoder->word_tokens);
    free(encoder);
}

/* Returns the ids of a text, at most INT_MAX of them; what follows is cut in any case. */
static bool encode(struct labelled_encoder *encoder, struct cell text,
                   struct labelled_sequence *sequence, const int32_t **ids, int *count,
                   struct error *error)
{
    size_t size;
    if (!text_encoder_encode(encoder->texts, text.text, text.size, ids, &size, error))
        return false;
    *count = (int)min_size(size, INT_MAX / 4);
    sequence->tokens += *count;
    for (int i = 0; i < *count; i++)
        sequence->unknown += (*ids)[i] == encoder->unk;
    return true;
}

static int append(struct labelled_encoder *encoder, int place, const int32_t *ids, int count)
{
    if (count)
        memcpy(encoder->ids + place, ids, (size_t)count * sizeof *ids);
    return place + count;
}

/* Reduces the lengths of two texts to `room` tokens together. */
static void share_room(int *first, int *second, int room)
{
    int *shorter = *first > *second ? second : first;
    int *longer = *first > *second ? first : second;
    if (*first + *second <= room)
        return;
    if (*shorter > room / 2)
        *shorter = room / 2;
    *longer = room - *shorter;
}

static void finish(struct labelled_encoder *encoder, struct labelled_sequence *sequence, int length,
                   int first_segment)
{
    sequence->ids = encoder->ids;
    sequence->length = length;
    sequence->first_segment = first_segment;
}

bool labelled_encode_texts(struct labelled_encoder *encoder, struct cell text,
                           struct cell text_pair, struct labelled_sequence *sequence,
                           struct error *error)
{
    const int room = encoder->max_length - (text_pair.text ? 3 : 2);
    const int32_t *ids;
    int count, first, second = 0;
    *sequence = (struct labelled_sequence){0};
    if (!encode(encoder, text, sequence, &ids, &count, error))
        return false;
    first = count;
    encoder->ids[0] = encoder->cls;
    append(encoder, 1, ids, min_int(count, room)); /* before the encoder's next call */
    if (text_pair.text && !encode(encoder, text_pair, sequence, &ids, &second, error))
        return false;
    sequence->cut = sequence->tokens > room;
    if (text_pair.text)
        share_room(&first, &second, room);
    else
        first = min_int(first, room);
    int place = append(encoder, 1 + first, &encoder->sep, 1);
    const int first_segment = place;
    if (text_pair.text) {
        place = append(encoder, place, ids, second);
        place = append(encoder, place, &encoder->sep, 1);
    }
    finish(encoder, sequence, place, first_segment);
    return true;
}

bool labelled_encode_words(struct labelled_encoder *encoder, const struct cells *words,
                           struct labelled_sequence *sequence, struct error *error)
{
    const int end = encoder->max_length - 1; /* of the words */
    int place = 1;
    *sequence = (struct labelled_sequence){0};
    if (!grow(&encoder->word_tokens, &encoder->word_capacity, words->count,
              sizeof *encoder->word_tokens, error))
        return false;
    encoder->ids[0] = encoder->cls;
    for (size_t i = 0; i < words->count; i++) {
        const int32_t *ids;
        int count;
        if (!encode(encoder, cells_get(words, i), sequence, &ids, &count, error))
            return false;
        encoder->word_tokens[i] = count && place < end ? place : NO_PREDICTION;
        sequence->words_without_token += !count;
        sequence->cut |= count > end - place;
        place = append(encoder, place, ids, min_int(count, end - place));
    }
    place = append(encoder, place, &encoder->sep, 1);
    sequence->word_tokens = encoder->word_tokens;
    sequence->word_count = words->count;
    finish(encoder, sequence, place, place);
    return true;
}
