/* The number type of all model arithmetic: float; double in the build that checks gradients. */
#ifndef CLOZE_MATH_REAL_H
#define CLOZE_MATH_REAL_H

#if CLOZE_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
