"""Initialization and dropout, which are random: their distributions, measured on whole runs of cloze.

The seeds are fixed and cloze's numbers come from a counter, so what these tests see is the same everywhere but for
rounding; the dropout of PyTorch is another draw on another processor. Thresholds are those of 4 standard errors or more."""

import math
import statistics

import pytest
import torch
from safetensors.numpy import load_file
from transformers import BertForPreTraining, BertTokenizerFast

from reference import batches, bert_config, lines_of, make_model, metrics, run, torch_loss, train, write_config

RANGE, VOCABULARY, STEPS = 0.02, 2000, 300


@pytest.fixture(scope="module")
def text(shared, tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(lines_of(shared / "corpus/enwiki2018.txt.gz", 2000)))
    return path


@pytest.fixture(scope="module")
def vocabulary(cloze, text):
    path = text.parent / "vocab.txt"
    run(cloze, "vocab", "--input", text, "--size", VOCABULARY, "--output", path)
    return path


def normal_cdf(x):
    return 0.5 * (1 + torch.erf(torch.as_tensor(x, dtype=torch.float64) / math.sqrt(2)))


def truncated_cdf(x):
    """Of the standard normal distribution cut at -2 and 2."""
    low, high = normal_cdf(-2), normal_cdf(2)
    return (normal_cdf(x) - low) / (high - low)


# The standard deviation of that: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
DEVIATION = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / float(2 * normal_cdf(2) - 1))


def kolmogorov(sample):
    """sqrt(n) times the largest distance of the sample's distribution from truncated_cdf; below 1.95 for 999 of 1000
    samples that have it (Kolmogorov 1933)."""
    expected = truncated_cdf(torch.sort(sample.double()).values)
    places = torch.arange(len(sample) + 1, dtype=torch.float64) / len(sample)
    return float(max((places[1:] - expected).max(), (expected - places[:-1]).max())) * math.sqrt(len(sample))


def initial(cloze, folder, text, vocabulary, seed):
    folder.mkdir()
    config = write_config(folder, seed=seed, model={"size": "tiny"}, tokenizer={"vocab": vocabulary},
                          data={"train": [text], "seq_len": 32, "valid_fraction": 0}, train={"steps": 1, "batch_size": 1})
    checkpoints, _ = train(cloze, config)
    return {name: torch.from_numpy(values)
            for name, values in load_file(checkpoints / "step-00000000/model.safetensors").items()}


def correlation(a, b):
    """Times the root of the number of pairs: a standard normal number if they are independent."""
    return abs(float((a * b).mean() / (a.std() * b.std()))) * math.sqrt(len(a))


def test_initialization(cloze, text, vocabulary, tmp_path, measured):
    tensors, others = (initial(cloze, tmp_path / str(seed), text, vocabulary, seed) for seed in (1, 2))
    matrices = {name: values.flatten() / RANGE for name, values in tensors.items() if values.dim() == 2}
    for name, values in tensors.items():
        if values.dim() == 1:
            assert (values == (1 if name.endswith("LayerNorm.weight") else 0)).all(), name
    mean = max(abs(float(x.mean())) * math.sqrt(len(x)) / DEVIATION for x in matrices.values())
    # The variance of a sample's variance: (E x^4 - s^4) / n, with E x^4 = 3 s^2 - 8 c, c = 4 phi(2) / (2 Phi(2) - 1).
    fourth = 3 * DEVIATION**2 - 4 * (1 - DEVIATION**2)
    variance = max(abs(float(x.var()) - DEVIATION**2) * math.sqrt(len(x) / (fourth - DEVIATION**4))
                   for x in matrices.values())
    whole = torch.cat(list(matrices.values()))
    alike = correlation(whole, torch.cat([others[name].flatten() / RANGE for name in matrices]))
    square = [x for x in matrices.values() if len(x) == 128 * 128]
    between = max(correlation(a, b) for i, a in enumerate(square) for b in square[:i])
    measured("initialization: largest mean of a matrix, standard errors", mean, "4")
    measured("initialization: variance of a matrix from that of the normal cut at 2 deviations, standard errors", variance,
             "4")
    measured(f"initialization: all {len(whole):,} weights from that distribution, Kolmogorov-Smirnov", kolmogorov(whole),
             "1.95")
    measured("initialization: correlation of two seeds, and of two matrices, standard errors", max(alike, between), "4.5")
    assert mean < 4 and variance < 4 and kolmogorov(whole) < 1.95 and max(alike, between) < 4.5
    assert float(whole.abs().max()) <= 2


def frozen_run(cloze, folder, source, text, hidden, attention):
    """A run whose learning rate is too small to change a weight: its losses show dropout alone."""
    folder.mkdir()
    config = write_config(
        folder,
        model={"init_from": source, "hidden_dropout_prob": hidden, "attention_probs_dropout_prob": attention},
        data={"train": [text], "seq_len": 32, "valid_fraction": 0},
        train={"steps": STEPS, "batch_size": 8, "learning_rate": 1e-12, "weight_decay": 0, "max_grad_norm": 0,
               "log_every": 1})
    train(cloze, config)
    return config


def torch_run(source, replayed, hidden, attention):
    model = BertForPreTraining.from_pretrained(
        source, hidden_dropout_prob=hidden, attention_probs_dropout_prob=attention).train()
    found = []
    for batch in replayed:
        model.zero_grad()
        loss = torch_loss(model, batch)
        loss.backward()
        norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        found.append((loss.item(), norm.item()))
    return found


@pytest.fixture(scope="module")
def source(vocabulary):
    """A model whose weights are so large that every site of dropout counts."""
    path = vocabulary.parent / "source"
    make_model(bert_config("tiny", vocab_size=VOCABULARY, initializer_range=0.1)).save_pretrained(path)
    BertTokenizerFast(vocab=str(vocabulary)).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def without(cloze, source, text):
    """The batches of a frozen run, and the losses and norms of torch on them, without dropout."""
    torch.set_num_threads(1)
    config = frozen_run(cloze, text.parent / "without", source, text, 0.0, 0.0)
    replayed = list(batches(cloze, config, STEPS))
    return replayed, torch_run(source, replayed, 0.0, 0.0)


def standard_errors(values):
    return abs(statistics.mean(values)) / (statistics.stdev(values) / math.sqrt(len(values)))


@pytest.mark.parametrize("hidden, attention", [(0.1, 0.0), (0.0, 0.1), (0.5, 0.5)])
def test_dropout_does_what_it_does_in_torch(hidden, attention, cloze, text, source, without, tmp_path, measured):
    """On the same 300 batches: what dropout adds to the loss and to the gradient's norm must have the same mean (z-test)
    and the same standard deviation. Of these the second is the sharper: it grows with the root of p / (1 - p), and with
    masks that are less than independent; dropping 0.2 for 0.1 changes its logarithm by 0.4."""
    replayed, plain = without
    config = frozen_run(cloze, tmp_path / "dropout", source, text, hidden, attention)
    torch.set_num_threads(1)
    torch.manual_seed(5)
    theirs = torch_run(source, replayed, hidden, attention)
    ours = [(record["loss"], record["grad_norm"]) for record in metrics(config)]
    for which, name in enumerate(("loss", "gradient norm")):
        added = [[run[step][which] - plain[step][which] for step in range(STEPS)] for run in (ours, theirs)]
        mean = standard_errors([a - b for a, b in zip(*added)])
        spread = abs(math.log(statistics.stdev(added[0]) / statistics.stdev(added[1])))
        measured("dropout: mean of what it adds to loss and gradient norm against torch's, standard errors", mean, "4")
        measured("dropout: standard deviation of that against torch's, log ratio", spread, "0.25")
        assert mean < 4 and spread < 0.25
