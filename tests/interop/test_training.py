"""Whole training steps beside torch.optim.AdamW: the same initialization, the batches that `cloze batches` writes, clipping,
warm-up, decay and accumulation. Without dropout the loss of every step must agree; with dropout, which each side draws
its own way, the final losses must be statistically the same."""

import math
import statistics

import pytest
import torch

from reference import CLIP, DECAY, EPSILON, batches, learning_rate, lines_of, metrics, run, torch_train, train, write_config

WARMUP, PEAK = 10, 1e-3

# The comparison with dropout. At this rate a run hardly depends on its masks: chance moves the final loss by 0.001, and
# dropout itself by 0.01.
SEEDS, STEPS, FINAL, VOCABULARY, RATE = (1, 2, 3), 500, 100, 4000, 3e-4
# Student's t for 95 % and two degrees of freedom: the seeds less one.
T_95 = 4.303


@pytest.fixture(scope="module")
def text(shared, tmp_path_factory):
    """The first few thousand lines of the corpus."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(lines_of(shared / "corpus/enwiki2018.txt.gz", 4000)))
    return path


def training_config(folder, text, tokenizer, steps, dropout, seed=7, peak=PEAK):
    folder.mkdir(exist_ok=True)
    return write_config(
        folder,
        seed=seed,
        model={"size": "tiny", "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout},
        tokenizer=tokenizer,
        data={"train": [text], "seq_len": 64, "valid_fraction": 0},
        train={"steps": steps, "batch_size": 16, "micro_batch_size": 6, "learning_rate": peak, "warmup_steps": WARMUP,
               "weight_decay": DECAY, "max_grad_norm": CLIP, "adam_epsilon": EPSILON, "log_every": 1, "save_every": 0})


def test_fifty_steps_have_the_losses_of_torch(cloze, shared, text, tmp_path, measured):
    steps = 50
    config = training_config(tmp_path, text, {"vocab": shared / "vocab/bert-base-uncased.txt"}, steps, dropout=0.0)
    checkpoints, _ = train(cloze, config)
    theirs = torch_train(checkpoints / "step-00000000", steps, batches(cloze, config, steps), PEAK, WARMUP)
    ours = metrics(config)
    assert [record["step"] for record in ours] == list(range(1, steps + 1))
    assert max(norm for _, norm in theirs) > CLIP, "nothing was clipped"
    loss = max(abs(record["loss"] / loss - 1) for record, (loss, _) in zip(ours, theirs))
    norm = max(abs(record["grad_norm"] / norm - 1) for record, (_, norm) in zip(ours, theirs))
    rate = max(abs(record["learning_rate"] - learning_rate(record["step"], steps, PEAK, WARMUP)) for record in ours)
    measured("no dropout, 50 steps: loss of a step, relative", loss, "1e-4")
    measured("no dropout, 50 steps: gradient norm of a step, relative", norm, "2e-3")
    assert loss < 1e-4 and norm < 2e-3 and rate < 1e-9


def final_loss(losses):
    return statistics.mean(losses[-FINAL:])


def cloze_run(cloze, folder, text, vocabulary, seed, dropout):
    config = training_config(folder, text, {"vocab": vocabulary}, STEPS, dropout, seed, RATE)
    train(cloze, config)
    return config, final_loss([record["loss"] for record in metrics(config)])


def torch_run(cloze, config, seed):
    """From the same initialization, on the same batches, with masks of its own."""
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    steps = torch_train(config.parent / "run/checkpoints/step-00000000", STEPS, batches(cloze, config, STEPS), RATE, WARMUP)
    return final_loss([loss for loss, _ in steps])


def interval(differences):
    """The 95 % confidence interval of their mean."""
    mean, error = statistics.mean(differences), statistics.stdev(differences) / math.sqrt(len(differences))
    return mean - T_95 * error, mean + T_95 * error


def test_with_dropout_the_final_losses_are_statistically_the_same(cloze, text, tmp_path, measured):
    """An equivalence test on paired seeds: the 95 % confidence interval of the mean difference between the final losses of
    cloze and of torch (Student's t) must lie within half of what dropout itself does to the final loss. So it fails where
    one side drops half as often as the other, and also where chance is too large to tell. The effect of dropout is
    measured by a run of cloze without it."""
    vocabulary = tmp_path / "vocab.txt"
    run(cloze, "vocab", "--input", text, "--size", VOCABULARY, "--output", vocabulary)
    ours, theirs = [], []
    for seed in SEEDS:
        config, loss = cloze_run(cloze, tmp_path / f"seed-{seed}", text, vocabulary, seed, dropout=0.1)
        ours.append(loss)
        theirs.append(torch_run(cloze, config, seed))
    _, without = cloze_run(cloze, tmp_path / "without", text, vocabulary, SEEDS[0], dropout=0.0)
    effect = ours[0] - without
    low, high = interval([a - b for a, b in zip(ours, theirs)])
    measured("dropout 0.1, 3 seeds, 500 steps: final losses of cloze", ", ".join(f"{loss:.4f}" for loss in ours), "")
    measured("the same of torch, same batches", ", ".join(f"{loss:.4f}" for loss in theirs), "")
    measured("95 % interval of the mean difference", f"[{low:.4f}, {high:.4f}]",
             "within half the effect of dropout")
    measured("half the effect of dropout on the final loss", effect / 2, "")
    assert effect > 0
    assert -effect / 2 < low and high < effect / 2
