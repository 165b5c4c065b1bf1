"""The Hugging Face Trainer on train.csv, asked for test.csv: the same MiniLM with a new classifier, all trained."""

import csv
import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)


class Rows(torch.utils.data.Dataset):
    """Texts as tokens, each as long as it is."""

    def __init__(self, tokenizer: object, texts: list[str], labels: list[int]) -> None:
        self.tokens = tokenizer(texts, truncation=True)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> dict:
        return {**{name: values[row] for name, values in self.tokens.items()}, "labels": self.labels[row]}


def table(file: Path) -> tuple[list[str], list[str]]:
    """Return texts and labels."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def main(data: Path, weights: Path, epochs: int, seed: int) -> dict:
    """Train on train.csv, measure on test.csv, and say how it went."""
    set_seed(seed)
    start = time.perf_counter()
    texts, labels = table(data / "train.csv")
    asked, truth = table(data / "test.csv")
    names = {name: number for number, name in enumerate(sorted(set(labels)))}
    tokenizer = AutoTokenizer.from_pretrained(str(weights))
    model = AutoModelForSequenceClassification.from_pretrained(str(weights), num_labels=len(names))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=16,
            per_device_eval_batch_size=64,
            seed=seed,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            # With the default of 5e-5 the new classifier has learned next to nothing after so few steps.
            learning_rate=2e-4,
            warmup_steps=0.1,
        )
        trainer = Trainer(
            model,
            arguments,
            train_dataset=Rows(tokenizer, texts, [names[one] for one in labels]),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
        seconds = time.perf_counter() - start
        found = trainer.predict(Rows(tokenizer, asked, [names[one] for one in truth]))
    right = int((found.predictions.argmax(1) == found.label_ids).sum())
    return {"right": right, "n": len(truth), "seconds": seconds, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Return the most memory that this process has held."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
