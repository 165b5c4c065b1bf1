"""fastai on a folder of photos: ``vision_learner`` over the same EfficientNet-Lite0, ``fine_tune(5)``, defaults."""

import json
import resource
import sys
import time
from pathlib import Path

import timm
import torch
from fastai.vision.all import (
    ImageDataLoaders,
    Normalize,
    RandomResizedCrop,
    accuracy,
    aug_transforms,
    get_image_files,
    set_seed,
    vision_learner,
)


def main(photos: Path, weights: Path, seed: int) -> dict:
    """Train on train/, measure on test/, and say how it went."""
    set_seed(seed, reproducible=True)
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
    body = learner.model[0].model
    tensors = torch.load(weights, weights_only=True)
    names = list(timm.create_model("tf_efficientnet_lite0").state_dict())
    body.load_state_dict(dict(zip(names, tensors.values(), strict=True)), strict=False)
    learner.freeze()
    learner.fine_tune(5)
    seconds = time.perf_counter() - start
    test = loaders.test_dl(get_image_files(photos / "test"), with_labels=True)
    chances, targets = learner.get_preds(dl=test)
    right = int((chances.argmax(1) == targets).sum())
    return {
        "right": right,
        "n": len(targets),
        "seconds": seconds,
        "peak_rss_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
