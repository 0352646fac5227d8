/* The elementwise activations that BERT configurations name. All functions work on the calling
 * thread and cannot fail. */
#ifndef CLOZE_NN_ACTIVATION_H
#define CLOZE_NN_ACTIVATION_H

#include "nn/linear.h"
#include "nn/rows.h"

#include <stdbool.h>
#include <stddef.h>

enum activation {
    ACTIVATION_GELU,      /* x Phi(x) = x/2 (1 + erf(x / sqrt 2))  (Hendrycks & Gimpel 2016) */
    ACTIVATION_GELU_TANH, /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    ACTIVATION_RELU,
};

/* Finds the activation by its name in config.json (hidden_act): gelu; gelu_new, gelu_pytorch_tanh;
 * relu. Returns false for another name and leaves *activation alone. */
bool activation_find(const char *name, enum activation *activation);

/* y [count] out, may be x itself: y = f(x) */
void activation_forward(real *y, const real *x, size_t count, enum activation activation);

/* dx [count] out, may be dy itself: dx = dy * f'(x)
 * y  [count] out: f(x), recomputed */
void activation_backward(real *dx, real *y, const real *dy, const real *x, size_t count,
                         enum activation activation);

/* tanh, for the pooler. The backward pass takes the output: dx = dy (1 - y^2). */
void tanh_forward(real *y, const real *x, size_t count);
void tanh_backward(real *dx, const real *dy, const real *y, size_t count);

/* ---- fused with the linear layer before it ---- */

struct activation_layer {
    enum activation activation;
    struct rows input, output; /* [rows, columns], each with its own distance between rows */
    bool forward_only; /* no backward pass follows: `input` is undefined after the forward pass */
};

/* An epilogue of linear_forward into `input`: output = f(input). The context is a struct
 * activation_layer. */
void activation_layer_forward(const void *context, const struct linear_block *block);

/* The backward pass of an activation. linear_backward_input passes blocks of the gradient with
 * respect to the output. The output is recomputed from the input. */
struct activation_gradient {
    struct activation_layer layer;
    struct rows gradient; /* [rows, columns] out, with respect to the input */
};

/* An epilogue of linear_backward_input into `gradient`. The context is a struct
 * activation_gradient. */
void activation_layer_backward(const void *context, const struct linear_block *block);

#endif
