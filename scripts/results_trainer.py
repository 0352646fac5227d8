"""SST-2 by transformers' Trainer, for scripts/results: prints {"accuracy"} of the best epoch on dev.tsv.

usage: results_trainer.py MODEL DIR SEED EPOCHS RATE BATCH"""

import csv
import json
import sys
import tempfile
from pathlib import Path

import torch
from transformers import (AutoTokenizer, BertForSequenceClassification, DataCollatorWithPadding, Trainer,
                          TrainingArguments)


def examples(path, tokenizer):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    encoded = tokenizer([row["sentence"] for row in rows], truncation=True, max_length=128)
    return [{**{name: values[i] for name, values in encoded.items()}, "labels": int(row["label"])}
            for i, row in enumerate(rows)]


def main():
    directory, data, seed, epochs, rate, batch = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(directory)
    torch.manual_seed(int(seed))  # of the classifier's initialization
    model = BertForSequenceClassification.from_pretrained(directory, num_labels=2, hidden_dropout_prob=0.1,
                                                          attention_probs_dropout_prob=0.1)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=float(epochs), learning_rate=float(rate), per_device_train_batch_size=int(batch),
            per_device_eval_batch_size=64, warmup_steps=0.1, weight_decay=0.01, adam_epsilon=1e-6, max_grad_norm=1.0,
            lr_scheduler_type="linear", seed=int(seed), eval_strategy="epoch", save_strategy="no",
            report_to=[], use_cpu=True, disable_tqdm=True, logging_strategy="no")
        trainer = Trainer(model, arguments, train_dataset=examples(Path(data) / "train.tsv", tokenizer),
                          eval_dataset=examples(Path(data) / "dev.tsv", tokenizer),
                          data_collator=DataCollatorWithPadding(tokenizer),
                          compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(1) == p.label_ids).mean())})
        trainer.train()
        best = max(entry["eval_accuracy"] for entry in trainer.state.log_history if "eval_accuracy" in entry)
    print(json.dumps({"accuracy": best}))


main()
