"""The settings of training, as strategies nest them."""

from dataclasses import dataclass
from typing import Literal

from graft.errors import SettingError, must


def _check(faults: list[str | None]) -> None:
    found = [fault for fault in faults if fault]
    if found:
        raise SettingError("\n".join(found))


def _at_least(what: str, value: float, low: float, do: str, below: float = float("inf")) -> str | None:
    if low <= value < below:
        return None
    wanted = f"at least {low:g}" + ("" if below == float("inf") else f" and below {below:g}")
    return must(what, wanted, value, do)


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """How the weights are moved."""

    optimiser: Literal["adamw", "adam", "sgd", "adagrad"] = "adamw"
    """Which rule turns gradients into steps."""
    lr: float = 1e-3
    """Learning rate of the head; the peak of the schedule."""
    stage_decay: float = 0.8
    """Factor on the rate for every stage further from the head."""
    weight_decay: float = 0.01
    """Pull of weights towards zero; never on biases and norms."""
    schedule: Literal["cosine", "one_cycle", "constant"] = "cosine"
    """How the rate goes over the steps."""
    warmup: float = 0.1
    """Share of all steps in which the rate rises to its peak; 0.3 is usual for one_cycle."""
    epochs: int = 12
    """Passes over the training inputs, at most."""
    batch_size: int = 32
    """Inputs a step."""

    def __post_init__(self) -> None:
        _check(
            [
                None if self.lr > 0 else must("lr", "above 0", self.lr, "Take 0.001, say"),
                None
                if 0 < self.stage_decay <= 1
                else must("stage_decay", "above 0 and at most 1", self.stage_decay, "Take 0.8, say"),
                _at_least("weight_decay", self.weight_decay, 0, "Take 0.01, say"),
                _at_least("warmup", self.warmup, 0, "Take 0.1, say", 1),
                _at_least("epochs", self.epochs, 1, "Take 12, say"),
                _at_least("batch_size", self.batch_size, 1, "Take 32, say"),
            ]
        )


@dataclass(frozen=True, kw_only=True)
class Regularisation:
    """What keeps training from learning its inputs by heart, and from going astray."""

    label_smoothing: float = 0.1
    """Share of every target that is spread over all classes."""
    mixup: float = 0.2
    """Alpha of mixup's beta distribution (Zhang et al. 2018); 0 is off."""
    cutmix: float = 0.0
    """Alpha of CutMix's beta distribution (Yun et al. 2019), where activations have height and width; 0 is off."""
    clip: float = 1.0
    """Longest gradient (2-norm over all weights); 0 is off."""
    patience: int = 4
    """Epochs without a better validation score after which training stops; 0 is never."""
    averaging: float = 1.0
    """Epochs over which weights are averaged for what is judged and kept; 0 takes them as they are."""
    freeze_norms: bool = True
    """Keep BatchNorm's statistics as pretrained; its scale and shift are trained all the same."""
    freeze_depthwise: bool = True
    """Keep depthwise filters as pretrained: a fiftieth of the weights, half of a step's time on a CPU."""

    def __post_init__(self) -> None:
        _check(
            [
                _at_least("label_smoothing", self.label_smoothing, 0, "Take 0.1, say", 1),
                _at_least("mixup", self.mixup, 0, "Take 0.2, or 0 for none"),
                _at_least("cutmix", self.cutmix, 0, "Take 1, or 0 for none"),
                _at_least("clip", self.clip, 0, "Take 1, or 0 for none"),
                _at_least("patience", self.patience, 0, "Take 4, or 0 for never"),
                _at_least("averaging", self.averaging, 0, "Take 1, or 0 for none"),
            ]
        )


@dataclass(frozen=True, kw_only=True)
class Numerics:
    """How numbers are held while training; ``auto`` is measured on the first batch.

    Where two ways are about as fast, another process may measure another one; the one taken is in the result, and
    naming it repeats a fit to the bit.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """float32, or bfloat16 autocast with float32 weights."""
    layout: Literal["auto", "contiguous", "channels_last"] = "auto"
    """Order of maps in memory."""
