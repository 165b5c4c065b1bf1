"""How fast EfficientNet-Lite0 is in 8 bits, static and per channel, beside the float forms of the same network."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import child, fits
from benchmarks.floor import BACKBONE
from benchmarks.tables import Check, Table, at_least, checks, times
from graft import backbones, runtimes
from graft.compression._onnx import Quantiser, exported
from graft.contract.speed import turn
from graft.runtimes import Compiled

BATCHES = (1, 8, 32)
EAGER = "torch float32, eager, channels-last"
BF16 = "OpenVINO bf16"
INT8 = ("ONNX Runtime int8", "OpenVINO int8")
TO_EAGER, TO_BF16 = 4.0, 1.2
"""The throughput that int8 is to have, as a multiple."""
CALIBRATED = 16
STREAMED = 4
"""Batches that are handed over at once: OpenVINO runs two of them at the same time, each on a core."""
ROUNDS, SECONDS = 5, 0.25
"""Turns of each form, which go round, and how long one takes."""


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield the rates of all forms, and then the promises."""
    found = child.call("benchmarks.compress:rates", seconds=0.01 if quick else SECONDS)["rates"]
    columns = ("form", *(f"inputs a second, batch {one}" for one in BATCHES), "to eager", f"to {BF16}")
    best = {name: max(by.values()) for name, by in found.items()}
    rows = [
        [
            name,
            *(f"{by[str(one)]:.0f}" for one in BATCHES),
            times(best[name] / best[EAGER]),
            times(best[name] / best[BF16]),
        ]
        for name, by in found.items()
    ]
    notes = ["Medians of short turns that go round. The ratios are of each form's fastest batch.", *advice(best)]
    yield Table("EfficientNet-Lite0, preprocessed inputs to features", columns, rows, notes)
    yield checks("int8 of EfficientNet-Lite0", compared(best))


def compared(best: dict[str, float]) -> list[Check]:
    """Return the promises for the faster form in 8 bits, from each form's inputs a second."""
    name = max(INT8, key=lambda one: best[one])
    return [
        at_least(f"{name}, throughput to {EAGER}", best[name] / best[EAGER], TO_EAGER, times),
        at_least(f"{name}, throughput to {BF16}", best[name] / best[BF16], TO_BF16, times),
    ]


def advice(best: dict[str, float]) -> list[str]:
    """Return which form is the fastest."""
    name = max(best, key=lambda one: best[one])
    return [f"The fastest on this machine: {name}, {best[name]:.0f} inputs a second."]


class Eager(Compiled):
    """Torch as it comes, with channels last."""

    def __init__(self, module: nn.Module, batch: int) -> None:
        self.batch = batch
        self.module = module.to(memory_format=torch.channels_last)

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the features of batches."""
        with torch.inference_mode():
            for batch in batches:
                yield self.module(torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)).numpy()


def rates(seconds: float) -> dict[str, Any]:
    """Return the inputs a second of each form and batch: ``{"rates": {form: {batch: rate}}}``."""
    fits.imports()
    # Its warnings of constant folding would stand between the progress of the benchmarks.
    logging.disable(logging.WARNING)
    backbone = backbones.load(BACKBONE)
    network = backbone.prefix(backbone.n_stages)
    noise = np.random.default_rng(0).integers(0, 256, (max(BATCHES), *backbone.preprocess.shape), np.uint8)
    plain = exported(network, noise[:1], axes=0)
    with Quantiser(plain, list(noise[:CALIBRATED])) as maker:
        small = maker.quantised()
    found: dict[str, dict[str, float]] = {}
    for batch in BATCHES:
        forms = ready(network, plain, small, noise, batch)
        seen: dict[str, list[float]] = {name: [] for name in forms}
        for compiled in forms.values():
            list(compiled.stream([noise[:batch]]))
        for _ in range(ROUNDS):
            for name, compiled in forms.items():
                seen[name] += turn(compiled, noise[:batch], seconds, STREAMED)
        for name, spent in seen.items():
            found.setdefault(name, {})[str(batch)] = batch / float(np.median(spent))
        for compiled in forms.values():
            compiled.close()
    return {"rates": found}


def ready(network: nn.Module, plain: bytes, small: bytes, noise: np.ndarray, batch: int) -> dict[str, Compiled]:
    """Return each form, ready for batches of one size."""
    shape = noise.shape[1:]
    asked = {
        "ONNX Runtime fp32": (plain, "onnxruntime"),
        BF16: (plain, "openvino:bfloat16"),
        INT8[0]: (small, "onnxruntime"),
        INT8[1]: (small, "openvino"),
    }
    files = {name: runtimes.opened(file, shape, batch=batch, runtime=by)[0] for name, (file, by) in asked.items()}
    return {EAGER: Eager(network, batch), **files}
