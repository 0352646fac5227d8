/* VECTORIZED marks a function that the compiler builds once for AVX-512, once for AVX2 + FMA and
 * once for the base line; the program picks one of these clones by the processor when it starts.
 * Such a function holds the plain loop over one row and no OpenMP region (OpenMP moves a region
 * into another function, which is not cloned). It is static, because clang before 18 gives the
 * resolver of the clones another symbol than callers in other files expect. That symbol is global
 * all the same, hence every function marked so needs a name that is unique in the program. */
#ifndef CLOZE_MATH_VECTORIZED_H
#define CLOZE_MATH_VECTORIZED_H

#if CLOZE_TARGET_CLONES
#    define VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#    define VECTORIZED
#endif

#endif
