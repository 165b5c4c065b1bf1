"""SetFit on train.csv, asked for test.csv: with its defaults, stopped where they would take too long, or few pairs."""

import csv
import json
import sys
import tempfile
import time
from pathlib import Path

from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments
from transformers import TrainerCallback


class Clock(TrainerCallback):
    """Ends training after some seconds, and remembers how far it came."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.begun = time.perf_counter()
        self.steps = self.of = 0

    def on_step_end(self, args: object, state: object, control: object, **_: object) -> object:
        """Count the step; ask for the end where time is up."""
        self.steps, self.of = state.global_step, state.max_steps
        control.should_training_stop |= time.perf_counter() - self.begun > self.limit
        return control


def table(file: Path) -> tuple[list[str], list[str]]:
    """Return texts and labels."""
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def main(data: Path, weights: Path, limit: float, pairs: int, seed: int) -> dict:
    """Train on train.csv, measure on test.csv, and say how it went; ``pairs`` of each kind a text, 0: all there are."""
    start = time.perf_counter()
    texts, labels = table(data / "train.csv")
    asked, truth = table(data / "test.csv")
    model = SetFitModel.from_pretrained(str(weights), device="cpu")
    clock = Clock(limit)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            seed=seed,
            num_iterations=pairs or None,
            report_to="none",
            save_strategy="no",
            show_progress_bar=False,
        )
        train = Dataset.from_dict({"text": texts, "label": labels})
        trainer = Trainer(model=model, args=arguments, train_dataset=train, callbacks=[clock])
        trainer.train()
    seconds = time.perf_counter() - start
    right = sum(str(one) == other for one, other in zip(model.predict(asked), truth, strict=True))
    told = {"steps": clock.steps, "of": clock.of}
    return {"right": right, "n": len(truth), "seconds": seconds, "peak_bytes": peak_bytes(), **told}


def peak_bytes() -> int:
    """Return the most memory that this process has held."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


if __name__ == "__main__":
    home, network, longest, each, start = sys.argv[1:]
    print("RESULT " + json.dumps(main(Path(home), Path(network), float(longest), int(each), int(start))))
