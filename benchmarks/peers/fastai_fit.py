"""fastai on a folder of photos: ``vision_learner`` over the same EfficientNet-Lite0, ``fine_tune(5)``, its defaults."""

import json
import sys
import time
from pathlib import Path

import timm
import torch
from fastai.vision.all import (
    Callback,
    ImageDataLoaders,
    Normalize,
    RandomResizedCrop,
    accuracy,
    aug_transforms,
    get_image_files,
    set_seed,
    vision_learner,
)


class Watch(Callback):
    """Takes the time of fastai's measuring after every epoch, so that only training counts."""

    seconds = 0.0

    def before_validate(self) -> None:
        """Start."""
        self.start = time.perf_counter()

    def after_validate(self) -> None:
        """Stop."""
        Watch.seconds += time.perf_counter() - self.start


def fill(body: torch.nn.Module, weights: Path) -> None:
    """Put the weights into timm's network; the file has other names, but the same order."""
    tensors = torch.load(weights, weights_only=True)
    named = dict(zip(timm.create_model("tf_efficientnet_lite0").state_dict(), tensors.values(), strict=True))
    body.load_state_dict({name: named[name] for name in body.state_dict()})


def main(photos: Path, weights: Path, epochs: int, seed: int) -> dict:
    """Train on train/, measure on test/, and say how it went."""
    set_seed(seed)
    start = time.perf_counter()
    loaders = ImageDataLoaders.from_folder(
        photos,
        train="train",
        valid="test",
        bs=32,
        num_workers=2,
        item_tfms=RandomResizedCrop(224, min_scale=0.5),
        batch_tfms=[*aug_transforms(), Normalize.from_stats([0.5] * 3, [0.5] * 3)],
    )
    learner = vision_learner(loaders, "tf_efficientnet_lite0", metrics=accuracy, pretrained=False, normalize=False)
    fill(learner.model[0].model, weights)
    learner.freeze()
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs, cbs=Watch())
    seconds = time.perf_counter() - start - Watch.seconds
    with learner.no_bar():
        chances, targets = learner.get_preds(dl=loaders.test_dl(get_image_files(photos / "test"), with_labels=True))
    right = int((chances.argmax(1) == targets).sum())
    return {"right": right, "n": len(targets), "seconds": seconds, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Return the most memory that this process has held; those that load photos for it are not counted."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
