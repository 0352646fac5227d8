/* When a layer called from serial code is worth a team of threads. */
#ifndef CLOZE_NN_PARALLEL_H
#define CLOZE_NN_PARALLEL_H

/* Starting and joining a team costs a few microseconds, an element a fraction of a nanosecond: with
 * fewer elements than this, one thread is done before a team has started. */
enum { PARALLEL_ELEMENTS = 1 << 14 };

/* Columns that one thread sums over all rows, in their order: whole cache lines, enough of them for
 * the prefetcher to follow, and few enough for narrow layers to occupy several threads. */
enum { COLUMN_BLOCK = 64 };

/* How many of `count` > 0 to work on at a time: at most `most`, a multiple of `multiple` as it is,
 * so that all threads do so about as often. */
static inline int parallel_share(int count, int threads, int most, int multiple)
{
    const int round = threads * most, times = (count + round - 1) / round * threads;
    const int each = (count + times - 1) / times;
    return (each + multiple - 1) / multiple * multiple;
}

#endif
