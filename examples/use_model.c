/* Fills in the first [MASK] of a text, then ranks sentences by how similar they are to the result:
 *
 *     use_model runs/mine "the [MASK] barked all night." "a dog made noise." "it rained."
 *
 * docs/library.md says how this program is built. */
#include <cloze/cloze.h>

#include <stdio.h>
#include <stdlib.h>

struct ranked {
    const char *text;
    double similarity;
};

static int by_similarity(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    return (left->similarity < right->similarity) - (left->similarity > right->similarity);
}

/* The cosine of two vectors of length 1. */
static double similarity(const float *a, const float *b, int size)
{
    double sum = 0;
    for (int i = 0; i < size; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Prints the sentences, the most similar to `text` first. */
static bool rank(struct cloze_model *model, const char *text, char **sentences, size_t count,
                 struct cloze_error *error)
{
    const int size = cloze_hidden_size(model);
    float *query = cloze_embed(model, &text, 1, CLOZE_POOLING_MEAN, true, error);
    float *vectors = query ? cloze_embed(model, (const char *const *)sentences, count,
                                         CLOZE_POOLING_MEAN, true, error)
                           : NULL;
    struct ranked *ranked = vectors ? malloc((count + 1) * sizeof *ranked) : NULL;
    for (size_t i = 0; ranked && i < count; i++)
        ranked[i] =
            (struct ranked){sentences[i], similarity(query, vectors + i * (size_t)size, size)};
    if (ranked)
        qsort(ranked, count, sizeof *ranked, by_similarity);
    else if (vectors)
        snprintf(error->message, sizeof error->message, "out of memory");
    for (size_t i = 0; ranked && i < count; i++)
        printf("%7.4f  %s\n", ranked[i].similarity, ranked[i].text);
    const bool done = ranked != NULL;
    free(ranked);
    free(vectors);
    free(query);
    return done;
}

static bool fill_and_rank(struct cloze_model *model, const char *text, char **sentences,
                          size_t count, struct cloze_error *error)
{
    struct cloze_fill *fill = cloze_fill(model, text, 3, error);
    if (!fill)
        return false;
    const struct cloze_mask *first = &fill->masks[0];
    for (size_t i = 0; i < first->count; i++)
        printf("%6.2f %%  %s\n", 100 * first->candidates[i].score, first->candidates[i].sequence);
    const bool done = rank(model, first->candidates[0].sequence, sentences, count, error);
    cloze_fill_free(fill);
    return done;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: use_model MODEL TEXT-WITH-[MASK] [SENTENCE]...\n");
        return 2;
    }
    struct cloze_error error = {0};
    struct cloze_model *model = cloze_open(argv[1], &error);
    const bool done = model && fill_and_rank(model, argv[2], argv + 3, (size_t)argc - 3, &error);
    if (!done)
        fprintf(stderr, "use_model: %s\n", error.message);
    cloze_close(model);
    return done ? 0 : error.bad_input ? 2 : 1;
}
