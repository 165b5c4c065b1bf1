"""What an epoch of partial fine-tuning on stored activations costs beside its bare forward and backward passes."""

import copy
import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks import child, fits, photos
from benchmarks.tables import Check, Table, at_most, checks, seconds, spread, times

STAGE = "blocks.5"
BATCH = 32
VIEWS = 4
LIMIT = 1.2


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield the time of an epoch against the bare passes that it holds."""
    source = photos.some("clothing", 12) if quick else photos.real("clothing")
    with child.folder() as cache:
        told = child.call(
            "benchmarks.epoch:measured", env={"GRAFT_CACHE": str(cache)}, source=source, epochs=2 if quick else 8
        )
    bare, steps, whole = told["bare"], told["steps"], told["whole"]
    ratio = median(one / other for one, other in zip(steps, bare, strict=True))
    found = [
        Check(f"bare forward and backward passes, {told['n']} photos", spread(bare)),
        at_most("the steps of an epoch", ratio, LIMIT, times, spread(steps)),
        Check(f"with the measurement on {told['validation']} validation photos", spread(whole)),
    ]
    notes = [
        f"From {STAGE} on, batches of {BATCH}, {told['precision']}, {told['layout'].replace('_', ' ')}, {VIEWS} stored "
        "views. An epoch reads activations, mixes them, clips gradients and moves the weights; bare passes do not. "
        "Both leave depthwise filters as they are. "
        "Each epoch was followed by its bare passes, and the ratio is the median of the pairs. "
        f"Storing the activations took {seconds(told['extraction'])}, once."
    ]
    yield checks("An epoch of partial fine-tuning on stored activations", found, notes)


def measured(source: str, epochs: int) -> dict[str, Any]:
    """Store the activations, train as ``partial`` does, and do the bare passes after every epoch."""
    fits.imports()
    from graft.training import Conditions, Numerics, Optimisation, Regularisation, train

    problem, extraction = _problem(source)
    settings = Optimisation(lr=5e-4, stage_decay=0.9, epochs=1, batch_size=BATCH)
    steady = Regularisation(patience=0)
    # The first epoch chooses precision and layout and warms up; what it chose is then given.
    chosen = train(problem, settings, steady, Numerics(), Conditions()).resolved
    numerics = Numerics(precision=chosen["precision"], layout=chosen["layout"])
    bare = _Bare(problem, chosen["precision"], chosen["layout"])
    bare.seconds()
    found: dict[str, list[float]] = {"bare": [], "steps": [], "whole": []}
    begun, stepped = [0.0], [0.0]

    def progress(what: str, done: int, total: int) -> None:
        stepped[0] = time.perf_counter()

    def on_epoch(record: Mapping[str, float]) -> None:
        # Nobody tells when the first epoch begins; every other one begins as this function returns.
        if record["epoch"] > 1:
            found["steps"].append(stepped[0] - begun[0])
            found["whole"].append(record["seconds"])
            found["bare"].append(bare.seconds())
        begun[0] = time.perf_counter()

    settings = Optimisation(lr=5e-4, stage_decay=0.9, epochs=epochs + 1, batch_size=BATCH)
    train(problem, settings, steady, numerics, Conditions(progress=progress, on_epoch=on_epoch))
    about = {"n": len(problem.train), "validation": len(problem.validation), "extraction": extraction}
    return {**found, **about, "precision": chosen["precision"], "layout": chosen["layout"]}


def _problem(source: str) -> tuple[Any, float]:
    """Return what ``partial`` would train, on stored activations, and the seconds that storing took."""
    from graft import backbones, data, features, heads, tasks
    from graft.training import Problem

    backbone = backbones.load("tf_efficientnet_lite0")
    cut = backbone.find(STAGE)
    dataset = data.read(source)
    scanned = data.scan(dataset, backbone.preprocess.inspect)
    parts = data.split(scanned.examples, scanned.hashes)
    rows = [*parts.train, *parts.val]
    examples = [scanned.examples[row] for row in rows]
    task = tasks.REGISTRY.get("classification").learn([one.label for one in examples])
    stored = features.extract(
        examples,
        [scanned.hashes[row] for row in rows],
        backbone=backbone,
        cut=cut,
        views=VIEWS,
        augmentation="photos",
        store=features.Store(),
    )
    numbers = torch.arange(len(rows)).numpy()
    problem = Problem(
        stages=copy.deepcopy(backbone.suffix(cut)),
        head=heads.REGISTRY.create("linear", {}).build(backbone.shape(backbone.n_stages), task.outputs),
        read=stored.activations.read,
        views=VIEWS,
        targets=task.targets([one.label for one in examples]),
        train=numbers[: len(parts.train)],
        validation=numbers[len(parts.train) :],
        loss=lambda logits, targets, smoothing: task.loss(logits, targets, label_smoothing=smoothing, weights=None),
        soft=task.soft,
        score=lambda logits, targets: float(task.item_scores(logits, targets).mean()),
        chance=0.0,
    )
    return problem, stored.seconds["total"]


class _Bare:
    """Forward and backward passes over batches that lie ready in memory, and nothing else."""

    def __init__(self, problem: Any, precision: Any, layout: Any) -> None:
        from graft.training import depthwise
        from graft.training.precision import Choice

        self.layout = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        model = nn.Sequential(copy.deepcopy(problem.stages), copy.deepcopy(problem.head)).requires_grad_(True).train()
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        depthwise.freeze(model[0])
        self.model = model.to(memory_format=self.layout)
        self.choice = Choice(precision, layout)
        rows = problem.train
        self.batches = []
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            inputs = torch.from_numpy(problem.read(part, 0)).contiguous(memory_format=self.layout)
            self.batches.append((inputs, torch.from_numpy(problem.targets[part])))

    def seconds(self) -> float:
        """Return the time of one pass over all batches."""
        start = time.perf_counter()
        for inputs, targets in self.batches:
            functional.cross_entropy(self.choice.run(self.model, inputs), targets).backward()
            self.model.zero_grad(set_to_none=True)
        return time.perf_counter() - start
