#include "model/workspace_limits.h"

struct workspace_limits workspace_limits_of(int sequences, int seq_len, int predicted, int threads)
{
    return (struct workspace_limits){
        .sequences = sequences,
        .tokens = sequences * seq_len,
        .predicted = sequences * predicted,
        .max_length = seq_len,
        .threads = threads,
    };
}

int workspace_sequences(int max_length)
{
    enum { TOKENS = 2048 };
    return max_length < TOKENS ? TOKENS / max_length : 1;
}
