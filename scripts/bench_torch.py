"""One measurement of BERT pre-training in PyTorch, for scripts/bench: prints a JSON object as `cloze bench --json` does.

The job is cloze's: BERT with MLM and NSP heads on full-length sequences, 15 % masked, dropout 0.1, gradient clipping,
AdamW. `--model hand` is written for speed: query, key and value in one product, the MLM head on masked positions only,
the decoder tied, fused AdamW. `--model huggingface` is BertForPreTraining as it comes.

The variants are there to be tried: scripts/bench measures each and reports the fastest.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

import torch_memory

SIZES = {"tiny": (2, 128, 2), "mini": (4, 256, 4), "small": (4, 512, 8), "medium": (8, 512, 8), "base": (12, 768, 12),
         "large": (24, 1024, 16)}
VOCAB, POSITIONS, TYPES, DROPOUT, MASK_PROB, BATCHES = 30522, 512, 2, 0.1, 0.15, 4


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["hand", "huggingface"], default="hand")
    parser.add_argument("--size", choices=list(SIZES), default="base")
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--precision", choices=["fp32", "bf16", "bf16-weights"], default="fp32",
                        help="bf16: autocast; bf16-weights: weights in bf16, masters in fp32")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--last-layer", choices=["all", "read"], default="all",
                        help="read: the last layer's queries are the first and the masked tokens alone, as cloze's")
    parser.add_argument("--mode", choices=["eager", "compile", "max-autotune", "cpp-wrapper"], default="eager")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=10, help="to measure, and three steps at least")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before")
    parser.add_argument("--default-allocator", action="store_true", help="leave glibc's allocator as it is")
    return parser.parse_args()


arguments = parse_arguments()
if arguments.model == "huggingface" and arguments.last_layer == "read":
    sys.exit("bench_torch.py: --last-layer read is of --model hand alone")
if not arguments.default_allocator:
    torch_memory.keep_memory()

import torch  # noqa: E402 (the environment comes first)
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


class Layer(nn.Module):
    def __init__(self, hidden, heads, eager_attention):
        super().__init__()
        self.heads, self.eager_attention = heads, eager_attention
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.attention_output = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.intermediate = nn.Linear(hidden, 4 * hidden)
        self.output = nn.Linear(4 * hidden, hidden)
        self.output_norm = nn.LayerNorm(hidden, eps=1e-12)

    def attend(self, query, key, value):
        if not self.eager_attention:
            return F.scaled_dot_product_attention(query, key, value, dropout_p=DROPOUT)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        return F.dropout(scores.softmax(-1), DROPOUT) @ value

    def split_heads(self, x):
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x):
        query, key, value = self.query_key_value(x).chunk(3, -1)
        context = self.attend(*map(self.split_heads, (query, key, value)))
        return self.finish(x, context.transpose(1, 2).reshape(x.shape))

    def forward_reads(self, x, reads):
        """The output [count, hidden] of the tokens that are read alone. Only attention needs the same number for each
        sequence, and so has queries that nobody reads."""
        batch, _, hidden = x.shape
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        key, value = F.linear(x, weight[hidden:], bias[hidden:]).chunk(2, -1)
        x = x.reshape(-1, hidden).index_select(0, reads["tokens"])
        query = F.linear(x, weight[:hidden], bias[:hidden])
        padded = query.new_zeros(batch * reads["most"], hidden).index_copy(0, reads["slots"], query)
        context = self.attend(*map(self.split_heads, (padded.view(batch, -1, hidden), key, value)))
        context = context.transpose(1, 2).reshape(padded.shape).index_select(0, reads["slots"])
        return self.finish(x, context)

    def finish(self, x, context):
        x = self.attention_norm(x + F.dropout(self.attention_output(context), DROPOUT))
        return self.output_norm(x + F.dropout(self.output(F.gelu(self.intermediate(x))), DROPOUT))


class HandWritten(nn.Module):
    def __init__(self, layers, hidden, heads, eager_attention):
        super().__init__()
        self.word = nn.Embedding(VOCAB, hidden)
        self.position = nn.Embedding(POSITIONS, hidden)
        self.token_type = nn.Embedding(TYPES, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(hidden, heads, eager_attention) for _ in range(layers))
        self.pooler = nn.Linear(hidden, hidden)
        self.relation = nn.Linear(hidden, 2)
        self.transform = nn.Linear(hidden, hidden)
        self.transform_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.decoder_bias = nn.Parameter(torch.zeros(VOCAB))

    def forward(self, batch):
        ids = batch["input_ids"]
        x = self.word(ids) + self.position.weight[: ids.shape[1]] + self.token_type(batch["token_type_ids"])
        x = F.dropout(self.norm(x), DROPOUT)
        for layer in self.layers[:-1]:
            x = layer(x)
        if arguments.last_layer == "read":
            x = self.layers[-1].forward_reads(x, batch["reads"])
            first, masked = x.index_select(0, batch["reads"]["first"]), x.index_select(0, batch["reads"]["masked"])
        else:
            x = self.layers[-1](x)
            first, masked = x[:, 0], x.reshape(-1, x.shape[-1]).index_select(0, batch["masked_places"])
        masked = self.transform_norm(F.gelu(self.transform(masked)))
        logits = F.linear(masked, self.word.weight, self.decoder_bias)
        relations = self.relation(torch.tanh(self.pooler(first)))
        return (F.cross_entropy(logits.float(), batch["masked_labels"])
                + F.cross_entropy(relations.float(), batch["next_sentence_label"]))


class HuggingFace(nn.Module):
    def __init__(self, layers, hidden, heads, eager_attention):
        from transformers import BertConfig, BertForPreTraining
        super().__init__()
        self.bert = BertForPreTraining(BertConfig(
            vocab_size=VOCAB, num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads,
            intermediate_size=4 * hidden, attn_implementation="eager" if eager_attention else "sdpa"))

    def forward(self, batch):
        return self.bert(input_ids=batch["input_ids"], token_type_ids=batch["token_type_ids"], labels=batch["labels"],
                         next_sentence_label=batch["next_sentence_label"]).loss


def make_batch(seed):
    """Words as frequent as Zipf says; the number of masked tokens is the same in every batch, so that compiled code
    need not provide for others."""
    random = torch.Generator().manual_seed(seed)
    rows, length = arguments.batch, arguments.seq
    ids = torch.rand(rows, length, generator=random, dtype=torch.float64).mul(torch.tensor(VOCAB - 5.0).log()).exp()
    ids = (ids.long() + 4).clamp(max=VOCAB - 1)
    labels = torch.full((rows * length,), -100)
    places = torch.arange(rows * length)[torch.arange(rows * length) % length != 0]  # [CLS] is not masked
    places = places[torch.randperm(len(places), generator=random)[: round(MASK_PROB * rows * length)]].sort().values
    labels[places] = ids.view(-1)[places]
    shown = ids.view(-1).clone()
    shown[places[torch.rand(len(places), generator=random) < 0.8]] = 4
    types = torch.zeros(rows, length, dtype=torch.long)
    types[:, length // 2:] = 1
    return {"input_ids": shown.view(rows, length), "token_type_ids": types, "labels": labels.view(rows, length),
            "next_sentence_label": torch.randint(0, 2, (rows,), generator=random),
            "masked_places": places, "masked_labels": labels[places], "reads": reads_of(places, rows, length)}


def reads_of(places, rows, length):
    """The first token of each sequence and its masked ones: which tokens they are, where each is in an array with room for
    `most` of every sequence, and which of them are first and masked. All counts are the same in every batch."""
    most = min(length, 1 + round(MASK_PROB * length + 4 * (MASK_PROB * length) ** 0.5))
    first = torch.arange(0, rows * length, length)
    tokens = torch.cat([first, places]).sort().values
    sequences = tokens // length
    starts = torch.searchsorted(sequences, torch.arange(rows))
    slots = sequences * most + torch.arange(len(tokens)) - starts[sequences]
    return {"most": most, "tokens": tokens, "slots": slots, "first": torch.searchsorted(tokens, first),
            "masked": torch.searchsorted(tokens, places)}


class Optimizer:
    """AdamW with decay on matrices alone, after clipping; with weights in bf16, on fp32 masters of them."""

    def __init__(self, model, masters):
        self.weights = list(model.parameters())
        self.masters = [nn.Parameter(p.detach().float()) for p in self.weights] if masters else self.weights
        groups = [{"params": [p for p in self.masters if p.dim() > 1], "weight_decay": 0.01},
                  {"params": [p for p in self.masters if p.dim() <= 1], "weight_decay": 0.0}]
        self.adam = torch.optim.AdamW(groups, lr=1e-4, eps=1e-6, fused=True)

    def step(self):
        if self.masters is not self.weights:
            for master, weight in zip(self.masters, self.weights):
                master.grad = weight.grad.float()
                weight.grad = None
        nn.utils.clip_grad_norm_(self.masters, 1.0, foreach=True)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        if self.masters is not self.weights:
            with torch.no_grad():
                torch._foreach_copy_(self.weights, self.masters)


def make_model():
    torch.manual_seed(42)
    kind = HandWritten if arguments.model == "hand" else HuggingFace
    model = kind(*SIZES[arguments.size], arguments.attention == "eager").train()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.trunc_normal_(parameter, std=0.02, a=-0.04, b=0.04)
    return model.bfloat16() if arguments.precision == "bf16-weights" else model


def compiled(loss_of):
    if arguments.mode == "eager":
        return loss_of
    options = {"max-autotune": {"max_autotune": True}, "cpp-wrapper": {"cpp_wrapper": True}}.get(arguments.mode)
    return torch.compile(loss_of, dynamic=False, options=options)


def reset_peak_memory():
    """What importing and compiling took is not the training's."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_memory():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def main():
    torch.set_num_threads(arguments.threads)
    model = make_model()
    optimizer = Optimizer(model, masters=arguments.precision == "bf16-weights")
    batches = [make_batch(seed) for seed in range(BATCHES)]
    loss_of = compiled(model)

    def step(index):
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision == "bf16"):
            loss = loss_of(batches[index % BATCHES])
        loss.backward()
        optimizer.step()
        return loss

    for index in range(arguments.warm_up):
        step(index)
    reset_peak_memory()
    times, begun = [], time.monotonic()
    while len(times) < 3 or time.monotonic() - begun < arguments.seconds:
        before = time.monotonic()
        loss = step(len(times))
        times.append(time.monotonic() - before)
    seconds = statistics.median(times)
    print(json.dumps({
        "tokens_per_second": arguments.batch * arguments.seq / seconds, "step_seconds": seconds, "steps": len(times),
        "loss": loss.item(), "peak_memory_bytes": peak_memory(), "threads": arguments.threads,
        "torch": torch.__version__}))


main()
