#include "text/wordpiece.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The roots of two tries that share one table of edges: below START are the tokens that begin
 * words, below CONTINUATION those with "##", without it. Nodes are numbers. */
enum { START, CONTINUATION, FIRST_NODE };

/* An edge of the trie, with the data of the node that it leads to. */
struct edge {
    uint32_t parent;
    uint32_t child;     /* 0 in a free slot */
    int32_t token;      /* token that ends at the child, or -1 */
    unsigned char byte; /* label of the edge */
};

struct wordpiece {
    struct edge *edges; /* [slot_count] open addressing, at most half full */
    size_t slot_count, edge_count;
    int32_t unknown;
};

/* Returns the slot of the edge, or the free slot where it belongs. */
static size_t find_slot(const struct edge *edges, size_t slot_count, uint32_t parent,
                        unsigned char byte)
{
    /* Fibonacci hashing: the upper half of the product by 2^64 / golden ratio is well mixed. */
    uint64_t product = ((uint64_t)parent << 8 | byte) * 0x9E3779B97F4A7C15u;
    size_t slot = (size_t)(product >> 32) & (slot_count - 1);

    while (edges[slot].child && (edges[slot].parent != parent || edges[slot].byte != byte))
        slot = (slot + 1) & (slot_count - 1);
    return slot;
}

/* Makes room for one edge more. */
static bool make_room(struct wordpiece *wordpiece, struct error *error)
{
    enum { FIRST_SLOTS = 1024 };
    size_t slot_count = wordpiece->slot_count ? 2 * wordpiece->slot_count : FIRST_SLOTS;

    if (2 * wordpiece->edge_count < wordpiece->slot_count)
        return true;
    struct edge *edges = allocate(slot_count, sizeof *edges, error);
    if (!edges)
        return false;
    for (size_t i = 0; i < wordpiece->slot_count; i++) {
        const struct edge *edge = &wordpiece->edges[i];
        if (edge->child)
            edges[find_slot(edges, slot_count, edge->parent, edge->byte)] = *edge;
    }
    free(wordpiece->edges);
    wordpiece->edges = edges;
    wordpiece->slot_count = slot_count;
    return true;
}

static bool insert(struct wordpiece *wordpiece, uint32_t node, const char *piece, size_t size,
                   int32_t token, struct error *error)
{
    struct edge *edge = NULL;

    for (size_t i = 0; i < size; i++, node = edge->child) {
        unsigned char byte = (unsigned char)piece[i];

        if (!make_room(wordpiece, error))
            return false;
        edge = &wordpiece->edges[find_slot(wordpiece->edges, wordpiece->slot_count, node, byte)];
        if (!edge->child)
            *edge = (struct edge){.parent = node,
                                  .child = (uint32_t)(FIRST_NODE + wordpiece->edge_count++),
                                  .token = -1,
                                  .byte = byte};
    }
    if (edge)
        edge->token = token;
    return true;
}

struct wordpiece *wordpiece_create(const struct vocabulary *vocabulary, struct error *error)
{
    struct wordpiece *wordpiece = allocate(1, sizeof *wordpiece, error);
    bool built = wordpiece && make_room(wordpiece, error);

    for (int32_t id = 0; built && id < vocabulary_line_count(vocabulary); id++) {
        const char *token = vocabulary_token(vocabulary, id);
        size_t size = vocabulary_token_size(vocabulary, id);
        bool continues = strncmp(token, "##", 2) == 0;

        built = continues ? insert(wordpiece, CONTINUATION, token + 2, size - 2, id, error)
                          : insert(wordpiece, START, token, size, id, error);
    }
    if (!built) {
        wordpiece_free(wordpiece);
        return NULL;
    }
    wordpiece->unknown = vocabulary_special(vocabulary, SPECIAL_UNK);
    return wordpiece;
}

void wordpiece_free(struct wordpiece *wordpiece)
{
    if (!wordpiece)
        return;
    free(wordpiece->edges);
    free(wordpiece);
}

/* Finds the longest piece below `node` that the bytes begin with and returns its length, 0 if there
 * is none. Pieces and words are valid UTF-8, so a piece never ends within a character. */
static size_t longest_piece(const struct wordpiece *wordpiece, uint32_t node, const char *bytes,
                            size_t size, int32_t *token)
{
    size_t length = 0;

    for (size_t i = 0; i < size; i++) {
        size_t slot =
            find_slot(wordpiece->edges, wordpiece->slot_count, node, (unsigned char)bytes[i]);
        const struct edge *edge = &wordpiece->edges[slot];

        if (!edge->child)
            break;
        if (edge->token >= 0) {
            *token = edge->token;
            length = i + 1;
        }
        node = edge->child;
    }
    return length;
}

size_t wordpiece_split(const struct wordpiece *wordpiece, const char *word, size_t size,
                       int32_t ids[WORD_MAX_CHARACTERS])
{
    uint32_t root = START;
    size_t count = 0;

    for (size_t start = 0; start < size; root = CONTINUATION) {
        size_t length = longest_piece(wordpiece, root, word + start, size - start, &ids[count]);

        if (length == 0) {
            ids[0] = wordpiece->unknown;
            return 1;
        }
        start += length;
        count++;
    }
    return count;
}
