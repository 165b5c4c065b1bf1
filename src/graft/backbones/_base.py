"""A backbone: an ordered list of stages whose composition is exactly the original network, and where to cut it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal

import torch
from torch import nn
from torch.func import functional_call

from graft.backbones._windows import MARKED_POOLINGS, POOLINGS, Each, EachMarked
from graft.errors import SettingError, must
from graft.preprocess import Preprocess

Kind = Literal["vector", "map", "tokens"]


@dataclass(frozen=True)
class WeightsInfo:
    """Where weights came from, and what they are."""

    source: str
    """``package:...``, ``hub:...``, ``folder:...``, ``file:...`` or ``random:seed``."""
    sha256: str
    """Of the tensors by name, dtype, shape and bytes; independent of the file format they came in."""
    licence: str
    """SPDX name where known, else ``unknown``."""


@dataclass(frozen=True)
class Stage:
    """One step of the network."""

    name: str
    """``stem`` or ``embed`` for the first, ``pool`` where places become one vector, else its first module's name."""
    module: nn.Module
    """Takes the previous stage's output, batch first; gives one tensor."""
    shape: tuple[int, ...]
    """Shape of its output without the batch axis: (C,), (C, H, W) or (tokens, C)."""


@dataclass(frozen=True)
class Backbone:
    """A pretrained network as stages, with all that is needed to run it on raw inputs."""

    name: str
    family: str
    """The file in ``backbones/`` that loads it."""
    normalise: nn.Module
    """From the preprocessed array (uint8 images, say) to what stage 0 takes."""
    stages: tuple[Stage, ...]
    """Frozen, in eval mode. The last one gives the feature vector, unless the backbone was shortened."""
    classifier: nn.Module
    """The original top, kept only so that composition can be checked; Identity where absent."""
    preprocess: Preprocess
    weights: WeightsInfo
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What its family needs beside the name to build it again, as plain JSON data."""

    @property
    def n_stages(self) -> int:
        """The number of stages; a cut lies in 0..n_stages."""
        return len(self.stages)

    @property
    def windowed(self) -> bool:
        """Whether an input is several windows: the first axis of each activation, up to the stage ``windows``."""
        return isinstance(self.normalise, Each)

    @property
    def windows(self) -> int:
        """How many windows an input consists of."""
        return self.preprocess.shape[0] if self.windowed else 1

    def check_cut(self, cut: int) -> int:
        """Return ``cut``. Raises SettingError if it is not in 0..n_stages."""
        if not 0 <= cut <= self.n_stages:
            do = f"Take a cut between 0 (train everything) and {self.n_stages} (train the head only)"
            raise SettingError(must("cut", f"from 0 to {self.n_stages} for {self.name}", cut, do))
        return cut

    def prefix(self, cut: int) -> nn.Sequential:
        """Return what is before the cut, frozen: preprocessed arrays to activations. Cut 0 is empty."""
        self.check_cut(cut)
        modules = [stage.module for stage in self.stages[:cut]]
        return nn.Sequential(self.normalise, *modules).eval() if cut else nn.Sequential()

    def suffix(self, cut: int) -> nn.Sequential:
        """Return what is after the cut, one child a stage; at cut 0 the first child also normalises.

        The modules are the backbone's own, not copies: who trains them copies first.
        """
        self.check_cut(cut)
        modules = [stage.module for stage in self.stages[cut:]]
        if cut == 0:
            modules[0] = nn.Sequential(self.normalise, modules[0])
        return nn.Sequential(*modules)

    def shape(self, cut: int) -> tuple[int, ...]:
        """Return the shape of one activation at the cut, without the batch axis."""
        return self.stages[self.check_cut(cut) - 1].shape if cut else self.preprocess.shape

    def ending_in(self, kind: Kind) -> "Backbone":
        """Return the backbone without the last stages, so that it ends in a vector, map or token output.

        Where a network never makes a vector (SqueezeNet pools class scores, not features), a last stage that
        averages over all places is added. A map has more than one place. Of an input of several windows the windows are
        the tokens, each a vector, and maps are pooled over them. Raises SettingError if no stage gives that kind.
        """
        if self.windowed and kind != "vector":
            return self._windows_ending_in(kind)
        wanted = {"vector": 1, "tokens": 2, "map": 3}[kind]
        for count in range(self.n_stages, 0, -1):
            shape = self.stages[count - 1].shape
            if len(shape) == wanted and (kind != "map" or prod(shape[1:]) > 1):
                whole = count == self.n_stages
                return self if whole else replace(self, stages=self.stages[:count], classifier=nn.Identity())
        if kind == "vector":
            shape = self.stages[-1].shape
            pool = Stage("pool", Average(tokens=len(shape) == 2), (shape[-1] if len(shape) == 2 else shape[0],))
            return replace(self, stages=(*self.stages, pool), classifier=nn.Identity())
        raise self._without(kind)

    def _without(self, kind: Kind) -> SettingError:
        do = "Take the linear head, or another backbone"
        return SettingError(must("head", f"one that fits {self.name}", f"one that takes a {kind}", do))

    def _windows_ending_in(self, kind: Kind) -> "Backbone":
        """Return the backbone of inputs of several windows so that it ends in one token a window, or in a map."""
        body, pooled = self.stages[:-1], self.stages[-1]
        wanted = {"tokens": 2, "map": 4}[kind]
        count = next((n for n in range(len(body), 0, -1) if len(body[n - 1].shape) == wanted), 0)
        if kind == "tokens":
            last = body[-1].shape
            average = Each(Average(tokens=len(last) == 3))
            width = last[-1] if len(last) == 3 else last[1]
            stages = body[:count] if count else (*body, Stage("pool", average, (last[0], width)))
        elif count and prod(body[count - 1].shape[2:]) > 1:
            stages = (*body[:count], replace(pooled, shape=body[count - 1].shape[1:]))
        else:
            raise self._without(kind)
        return replace(self, stages=stages, classifier=nn.Identity())

    def given(self, preprocess: Preprocess) -> "Backbone":
        """Return the backbone behind another preprocessing of the same form, or of several such windows an input.

        Every stage then does with each window what it does with one input, and a last stage, ``windows``, takes the
        mean over them, or what else the preprocessing's ``pooling`` says. Where the backbone's own preprocessing
        ``stretches``, the first axis of one input may have another length; where inputs vary in length, less of it.
        Raises SettingError for any other form.
        """
        several = len(preprocess.shape) > len(self.preprocess.shape)
        form = preprocess.shape[1:] if several else preprocess.shape
        stages = self._of_length(form)
        if not several:
            return replace(self, stages=stages, preprocess=preprocess)
        windows = preprocess.shape[0]
        applied, poolings = (EachMarked, MARKED_POOLINGS) if preprocess.open_axes else (Each, POOLINGS)
        each = tuple(
            Stage(
                one.name, applied(one.module), (windows, *(_marked(one.shape) if preprocess.open_axes else one.shape))
            )
            for one in stages
        )
        pooled = Stage("windows", poolings[preprocess.pooling](), stages[-1].shape)
        frozen([one.module for one in (*each, pooled)])
        normalise = Each(self.normalise)
        return replace(
            self, normalise=normalise, stages=(*each, pooled), classifier=nn.Identity(), preprocess=preprocess
        )

    def _of_length(self, form: tuple[int, ...]) -> tuple[Stage, ...]:
        """Return the stages for inputs of that form. Raises SettingError where they do not take it."""
        own = self.preprocess.shape
        if form == own:
            return self.stages
        inner = 1 + self.windowed
        if self.preprocess.open_axes and form[inner:] == own[inner:]:
            return self._shortened(form)
        if not self.preprocess.stretches or form[1:] != own[1:]:
            raise SettingError(must("inputs", f"of the form {own} for {self.name}", form, "Take another backbone"))
        modules = [stage.module for stage in self.stages]
        shapes = followed([self.normalise, *modules], form, getattr(torch, self.preprocess.dtype))[1:]
        return tuple(replace(stage, shape=shape) for stage, shape in zip(self.stages, shapes, strict=True))

    def _shortened(self, form: tuple[int, ...]) -> tuple[Stage, ...]:
        """Return the stages for inputs of fewer tokens, and of another number of windows where there are several."""
        length, most = form[int(self.windowed)], self.preprocess.shape[int(self.windowed)]
        if length > most:
            do = f"Give {most} or less"
            raise SettingError(must("max_length", f"at most {most} for {self.name}", length, do))

        def shortened(shape: tuple[int, ...]) -> tuple[int, ...]:
            # Some networks leave out the tokens that begin and end a text.
            return (shape[0] - most + length, *shape[1:]) if len(shape) == 2 else shape

        if not self.windowed:
            return tuple(replace(one, shape=shortened(one.shape)) for one in self.stages)
        return tuple(
            replace(one, shape=(form[0], *shortened(one.shape[1:]))) if len(one.shape) > 1 else one
            for one in self.stages
        )

    def find(self, name: str) -> int:
        """Return the cut before the stage of that name. Raises SettingError."""
        names = [stage.name for stage in self.stages]
        if name not in names:
            raise SettingError(must("cut", f"a stage of {self.name}", repr(name), f"Take one of {', '.join(names)}"))
        return names.index(name)

    def composed(self) -> nn.Sequential:
        """Return normalised input -> original output: all stages and the original classifier."""
        return nn.Sequential(*(stage.module for stage in self.stages), self.classifier)

    def parameters(self) -> int:
        """Return the number of parameters in the stages."""
        return sum(p.numel() for stage in self.stages for p in stage.module.parameters())


class Average(nn.Module):
    """The mean over a map's places or over tokens: (n, C, H, W) or (n, tokens, C) to (n, C)."""

    def __init__(self, *, tokens: bool) -> None:
        super().__init__()
        self.places = (1,) if tokens else (2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means."""
        return x.mean(self.places)


def _marked(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape with a mark; tokens have theirs already."""
    return (shape[0] + 1,) if len(shape) == 1 else shape


def frozen(modules: Sequence[nn.Module]) -> None:
    """Put modules into eval mode and switch their gradients off."""
    for module in modules:
        module.eval().requires_grad_(False)


def followed(modules: Sequence[nn.Module], shape: tuple[int, ...], dtype: torch.dtype) -> list[tuple[int, ...]]:
    """Return the shape of each module's output, batch axis left out, as one input goes from one to the next.

    ``shape`` is the input's. On torch's meta device, where shapes are followed and nothing is computed.
    """
    found = []
    x = torch.zeros(1, *shape, dtype=dtype, device="meta")
    with torch.no_grad():
        for module in modules:
            tensors = {name: tensor.to("meta") for name, tensor in module.state_dict().items()}
            tensors |= {name: tensor.to("meta") for name, tensor in module.named_buffers()}
            x = functional_call(module, tensors, x)
            found.append(tuple(x.shape[1:]))
    return found


def output_shape(module: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a module's output for one float input of ``shape``, batch axis left out."""
    with torch.no_grad():
        return tuple(module(torch.zeros(1, *shape)).shape[1:])
