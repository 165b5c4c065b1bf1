"""The Hugging Face Trainer on a folder of photos: the same EfficientNet-Lite0, five epochs, its defaults."""

import json
import resource
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
        logits = self.net(pixel_values)
        loss = torch.nn.functional.cross_entropy(logits, labels) if labels is not None else None
        return {"loss": loss, "logits": logits}


def main(photos: Path, weights: Path, seed: int) -> dict:
    """Train on train/, measure on test/, and say how it went."""
    set_seed(seed)
    start = time.perf_counter()
    scale = transforms.Normalize([0.5] * 3, [0.5] * 3)
    train = ImageFolder(
        photos / "train",
        transforms.Compose(
            [
                transforms.RandomResizedCrop(224, scale=(0.5, 1)),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                scale,
            ]
        ),
    )
    test = ImageFolder(
        photos / "test",
        transforms.Compose(
            [
                transforms.Resize(256),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                scale,
            ]
        ),
    )
    net = Net(len(train.classes), weights)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=5,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=32,
            seed=seed,
            dataloader_num_workers=2,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            use_cpu=True,
            learning_rate=5e-4,
            warmup_ratio=0.1,
            remove_unused_columns=False,
        )
        trainer = Trainer(
            net,
            arguments,
            train_dataset=train,
            data_collator=lambda rows: {
                "pixel_values": torch.stack([row[0] for row in rows]),
                "labels": torch.tensor([row[1] for row in rows]),
            },
        )
        trainer.train()
        seconds = time.perf_counter() - start
        found = trainer.predict(test)
    right = int((found.predictions.argmax(1) == found.label_ids).sum())
    return {
        "right": right,
        "n": len(test),
        "seconds": seconds,
        "peak_rss_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
