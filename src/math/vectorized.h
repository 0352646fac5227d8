/* VECTORIZED marks a function that the compiler builds once for AVX-512, once for AVX2 and once for
 * the base line; the program picks one of these clones by the processor when it starts. Such a
 * function holds the plain loop over one row and no OpenMP region (OpenMP moves a region into
 * another function, which is not cloned). It is static, because clang before 18 gives the resolver
 * of the clones another symbol than callers in other files expect. That symbol is global all the
 * same, hence every function marked so needs a name that is unique in the program. */
#ifndef CLOZE_MATH_VECTORIZED_H
#define CLOZE_MATH_VECTORIZED_H

#if CLOZE_TARGET_CLONES && defined(__clang__) && __clang_major__ < 18
/* clang before 18 accepts the levels below, but then picks the base line on every processor (LLVM's
 * issue 55830). Without FMA, which "avx2" leaves out, sums of products take two instructions. */
#    define VECTORIZED __attribute__((target_clones("avx512f", "avx2", "default")))
#elif CLOZE_TARGET_CLONES
#    define VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#    define VECTORIZED
#endif

#endif
