"""The Hugging Face Trainer on a folder of photos: the same EfficientNet-Lite0, its defaults but for the rate."""

import json
import sys
import tempfile
import time
from pathlib import Path

import timm
import torch
from torchvision import transforms
from torchvision.datasets import ImageFolder
from transformers import Trainer, TrainingArguments, set_seed


class Net(torch.nn.Module):
    """The network in the form that the Trainer wants."""

    def __init__(self, classes: int, weights: Path) -> None:
        super().__init__()
        self.net = timm.create_model("tf_efficientnet_lite0")
        tensors = torch.load(weights, weights_only=True)
        self.net.load_state_dict(dict(zip(self.net.state_dict(), tensors.values(), strict=True)))
        self.net.reset_classifier(classes)

    def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None) -> dict:
        """Return logits and, where there are labels, the loss."""
        logits = self.net(pixel_values)
        loss = torch.nn.functional.cross_entropy(logits, labels) if labels is not None else None
        return {"loss": loss, "logits": logits}


def data(photos: Path) -> tuple[ImageFolder, ImageFolder]:
    """Return train/ as it is usually augmented, and test/ as it is usually cropped."""
    last = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    change = [transforms.RandomResizedCrop(224, scale=(0.5, 1)), transforms.RandomHorizontalFlip()]
    plain = [transforms.Resize(256), transforms.CenterCrop(224)]
    return (
        ImageFolder(photos / "train", transforms.Compose([*change, *last])),
        ImageFolder(photos / "test", transforms.Compose([*plain, *last])),
    )


def collate(rows: list) -> dict[str, torch.Tensor]:
    """Return a batch."""
    return {"pixel_values": torch.stack([row[0] for row in rows]), "labels": torch.tensor([row[1] for row in rows])}


def main(photos: Path, weights: Path, epochs: int, seed: int) -> dict:
    """Train on train/, measure on test/, and say how it went."""
    set_seed(seed)
    start = time.perf_counter()
    train, test = data(photos)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=epochs,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=32,
            seed=seed,
            dataloader_num_workers=2,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            # The default of 5e-5 is meant for language models, and leaves a new classifier untrained in five epochs.
            learning_rate=5e-4,
            warmup_steps=0.1,
            remove_unused_columns=False,
        )
        trainer = Trainer(Net(len(train.classes), weights), arguments, train_dataset=train, data_collator=collate)
        trainer.train()
        seconds = time.perf_counter() - start
        found = trainer.predict(test)
    right = int((found.predictions.argmax(1) == found.label_ids).sum())
    return {"right": right, "n": len(test), "seconds": seconds, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Return the most memory that this process has held; those that load photos for it are not counted."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
