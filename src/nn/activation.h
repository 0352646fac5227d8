/* The elementwise activations that BERT configurations name. */
#ifndef CLOZE_NN_ACTIVATION_H
#define CLOZE_NN_ACTIVATION_H

#include "math/real.h"

#include <stdbool.h>
#include <stddef.h>

enum activation {
    ACTIVATION_GELU,      /* x Phi(x) = x/2 (1 + erf(x / sqrt 2))  (Hendrycks & Gimpel 2016) */
    ACTIVATION_GELU_TANH, /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    ACTIVATION_RELU,
};

/* The value of hidden_act in config.json: gelu; gelu_new, gelu_pytorch_tanh; relu. False if it is
 * none of these, and *activation stays. */
bool activation_find(const char *name, enum activation *activation);

/* y [count] out, may be x itself. Elements run in parallel. Cannot fail. */
void activation_forward(real *y, const real *x, size_t count, enum activation activation);

/* dx [count] out, may be dy itself: dx = dy * f'(x). */
void activation_backward(real *dx, const real *dy, const real *x, size_t count,
                         enum activation activation);

/* tanh, of the pooler; the backward pass works on the output: dx = dy (1 - y^2). */
void tanh_forward(real *y, const real *x, size_t count);
void tanh_backward(real *dx, const real *dy, const real *y, size_t count);

#endif
