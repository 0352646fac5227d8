/* VECTORIZED marks a kernel that the compiler builds once for AVX-512, once for AVX2 + FMA and once
 * for the base line; the processor picks when the program starts. Such a function holds the plain
 * loop over one row and no OpenMP region (what OpenMP outlines is not cloned). It is static: clang
 * before 18 gives what picks the clone another symbol than callers in other files ask for, and one
 * that is not static: so the name is its only one in the program. */
#ifndef CLOZE_MATH_VECTORIZED_H
#define CLOZE_MATH_VECTORIZED_H

#if CLOZE_TARGET_CLONES
#    define VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#    define VECTORIZED
#endif

#endif
