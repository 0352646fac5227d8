/* Macros that unroll the loop after them, by each compiler's own pragma, because neither obeys the
 * other's. Only in an unrolled loop do the elements of an array of vectors stay in registers: with
 * gcc's pragma alone clang kept the sums of a product's tile in memory, and products took five
 * times as long. */
#ifndef CLOZE_BASE_UNROLL_H
#define CLOZE_BASE_UNROLL_H

#define UNROLL_PRAGMA(text) _Pragma(#text)
#ifdef CLOZE_SANITIZED
/* Sanitizers check every operation: with unrolled loops clang compiles a file of kernels for many
 * minutes, without for ten seconds. */
#    define UNROLL_ALL(max)
#    define UNROLL_BY(count)
#elif defined __clang__
/* Unrolls a loop with a constant number of iterations, at most `max`, completely. */
#    define UNROLL_ALL(max)  UNROLL_PRAGMA(clang loop unroll(full))
/* Unrolls a loop by `count` iterations. */
#    define UNROLL_BY(count) UNROLL_PRAGMA(clang loop unroll_count(count))
#else
#    define UNROLL_ALL(max)  UNROLL_PRAGMA(GCC unroll max)
#    define UNROLL_BY(count) UNROLL_PRAGMA(GCC unroll count)
#endif

#endif
