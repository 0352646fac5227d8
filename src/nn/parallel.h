/* How work called from serial code is divided among threads. */
#ifndef CLOZE_NN_PARALLEL_H
#define CLOZE_NN_PARALLEL_H

/* The fewest elements that are worth a team of threads. Starting and joining a team costs a few
 * microseconds, an element a fraction of a nanosecond: with fewer elements, one thread has finished
 * before a team has started. */
enum { PARALLEL_ELEMENTS = 1 << 14 };

/* The columns that one thread sums over all rows, in the order of the rows: whole cache lines,
 * enough of them for the prefetcher to follow, and few enough for narrow layers to occupy several
 * threads. */
enum { COLUMN_BLOCK = 64 };

/* Returns how many of `count` > 0 items a thread works on at a time: a multiple of `multiple`, at
 * most `max` (which is one too), such that all threads work about equally often. */
static inline int parallel_share(int count, int threads, int max, int multiple)
{
    const int round = threads * max, times = (count + round - 1) / round * threads;
    const int each = (count + times - 1) / times;
    return (each + multiple - 1) / multiple * multiple;
}

#endif
