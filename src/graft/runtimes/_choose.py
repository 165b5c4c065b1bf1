"""Choosing how a frozen module is run: a short measurement on real inputs, checked against float32 torch."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from graft.errors import GraftError, NotInstalledError, SettingError, must, unknown_name
from graft.registry import Registry
from graft.runtimes import _memory
from graft.runtimes._agree import Agreement, agreement
from graft.runtimes._base import Compiled, Runtime
from graft.runtimes._lengths import room
from graft.runtimes._lent import Lent, take
from graft.runtimes._memory import Choice

REGISTRY: Registry[Runtime] = Registry("graft.runtimes", "runtime", Runtime)

ORDER = ("openvino", "onnxruntime")
"""Runtimes that convert, in the order in which they are tried; torch, the reference, is always measured."""

SHORT_BATCH = 32
"""Inputs of several lengths that a CPU runs at once, where they are of ``USUAL`` tokens: see ``room``."""

TORCH_BATCH = 4
"""Inputs of one shape that torch runs at once on a CPU: at 8 and 16 tensors outgrow the caches, and are fresh memory
each. Milliseconds an input at 4, 8 and 16 on two cores: EfficientNet-Lite0 16, 17 to 40, 39; ResNet-18 18, 34, 28."""

CONVERSION_SECONDS = 1.5
"""What converting and compiling costs at least; EfficientNet-Lite0 takes 0.8 s on two free cores, 2 s on busy ones."""

SPARED = 0.75
"""Share of torch's time that another runtime is expected to save (measured: 0.80 to 0.90)."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the person asked for, resolved to this machine."""

    device: str
    runtime: str
    precision: str

    def key(self) -> dict[str, str]:
        """Return the wish as plain data."""
        return {"device": self.device, "runtime": self.runtime, "precision": self.precision}


def resolve_device(device: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps`` for a device or ``auto``. Raises SettingError where it is not here."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return "cuda" if here["cuda"] else "mps" if here["mps"] else "cpu"
    if device not in here:
        do = "Take auto, cpu, cuda or mps"
        raise SettingError(must("device", "auto, cpu, cuda or mps", repr(device), do))
    if not here[device]:
        raise SettingError(must("device", "one that this machine has", repr(device), "Take auto or cpu"))
    return device


def wish(device: str, runtime: str) -> Wish:
    """Read ``auto``, ``openvino`` or ``openvino:float32``. Raises SettingError, UnknownNameError, NotInstalledError."""
    name, _, precision = runtime.partition(":")
    if name not in ("auto", *REGISTRY.names()):
        raise unknown_name("runtime", name, ("auto", *REGISTRY.names()), "graft list runtimes")
    wanted = device
    if name not in ("auto", "torch") and device == "auto":
        wanted = "cpu"
    found = resolve_device(wanted)
    if name != "auto":
        kind = REGISTRY.get(name)
        if precision and precision not in kind.precisions:
            do = f"Take {' or '.join(f'{name}:{one}' for one in kind.precisions)}"
            raise SettingError(must(f"precision of runtime {name}", "one that it has", repr(precision), do))
        if found not in kind.devices:
            raise SettingError(must("runtime", f"one that runs on {found}", repr(name), "Take torch, or device cpu"))
        if absent := kind.missing():
            raise NotInstalledError(must(f"runtime {name}", "installed", "no package", f"pip install {absent}"))
    elif precision:
        raise SettingError(must("runtime", "a name before the colon", repr(runtime), "Take torch:float32, say"))
    return Wish(device=found, runtime=name, precision=precision or "auto")


def default_batch(device: str, *, axes: int = 0, windows: int = 1) -> int:
    """Return the batch size that inputs are run at: 8 on a CPU, whose caches hold it, 64 on a GPU.

    An input of several ``windows`` is as large as so many inputs, and counts as that. Inputs with open ``axes`` are
    small ones, of which a CPU takes more at once; how many there are of a shape is decided for each.
    """
    if device == "cpu" and axes:
        return SHORT_BATCH
    return max(1, (64 if device != "cpu" else 8) // windows)


def recall(cache: Path | None, *, expected: int, device: str = "auto", runtime: str = "auto") -> Choice | None:
    """Return the choice that ``choose`` remembered for this module, machine and wish, or None; nothing is loaded."""
    if cache is None:
        return None
    found = _memory.recall(cache, wish(device, runtime).key())
    return found if found is not None and _holds(found, expected) else None


def prepare(module: nn.Module, example: np.ndarray, choice: Choice, cache: Path | None, *, axes: int = 0) -> Compiled:
    """Compile ``module`` as a remembered choice says. Raises RuntimeError, or NotInstalledError if it has gone."""
    runtime = REGISTRY.create(choice.runtime, {"precision": choice.precision})
    return runtime.compile(module, example, batch=choice.batch, device=choice.device, cache=cache, axes=axes)


def choose(  # noqa: PLR0913 - one flat list of what the choice depends on, all but two of them by name
    module: nn.Module,
    sample: np.ndarray,
    *,
    expected: int,
    device: str = "auto",
    runtime: str = "auto",
    cache: Path | None = None,
    batch: int | None = None,
    axes: int = 0,
    windows: int = 1,
) -> tuple[Compiled, Choice]:
    """Return ``module`` made ready on the fastest runtime that agrees with float32 torch, and why it was chosen.

    ``sample`` (n, ...) are real inputs, 1 to a batch of them; ``expected`` is the number of inputs of the whole job:
    what would save less than its conversion costs is not tried. What is chosen is remembered in ``cache`` (a folder
    of this module's own) before this returns, so that the next call computes bit for bit the same.
    So many first ``axes`` of the inputs differ from batch to batch; ``windows`` says of how many inputs of the network
    each consists.
    ``runtime`` is ``auto``, a name, or a name and a precision (``openvino:float32``).
    Raises SettingError, UnknownNameError or NotInstalledError for a wish that cannot be met, and RuntimeError where a
    forced runtime cannot convert the module.
    """
    asked = wish(device, runtime)
    # One input alone is not to cost what a batch does.
    size = batch or (1 if expected == 1 else default_batch(asked.device, axes=axes, windows=windows))
    if cache is not None and batch is None:
        known = _memory.recall(cache, asked.key())
        if known is not None and _holds(known, expected):
            with suppress(RuntimeError, GraftError):
                return _lent(module, sample, known, cache, axes=axes), known
        if known is not None:
            _memory.forget(cache, asked.key())
    fewer = batch is None and asked.device == "cpu" and not axes
    torch_batch = min(size, TORCH_BATCH) if fewer else size
    most = room(torch_batch, axes if asked.device == "cpu" else 0, sample.shape[1:])
    trial = _Trial(
        module,
        sample[:most],
        batch=size,
        torch_batch=torch_batch,
        device=asked.device,
        cache=cache,
        axes=axes,
    )
    choice = trial.forced(asked) if asked.runtime != "auto" else trial.fastest(expected)
    compiled = trial.ready.pop(f"{choice.runtime}:{choice.precision}")
    trial.close()
    if cache is not None and batch is None:
        kept = _memory.remember(cache, asked.key(), choice)
        if kept.identity() != choice.identity():
            # Another process was first; both must compute the same.
            compiled.close()
            return _lent(module, sample, kept, cache, axes=axes), kept
        choice = kept
        return Lent(compiled, _key(sample, choice, cache, axes=axes)), choice
    return compiled, choice


def _lent(module: nn.Module, sample: np.ndarray, choice: Choice, cache: Path, *, axes: int) -> Compiled:
    """Return the network that is ready for a remembered choice, or make it so."""
    key = _key(sample, choice, cache, axes=axes)
    return Lent(take(key) or prepare(module, sample, choice, cache, axes=axes), key)


def _key(sample: np.ndarray, choice: Choice, cache: Path, *, axes: int) -> tuple[object, ...]:
    # The folder is the module's own, and so stands for its weights.
    return (str(cache), *choice.identity().items(), sample.dtype, sample.shape[1 + axes :])


def _holds(choice: Choice, expected: int) -> bool:
    """Say whether a remembered choice still holds: same library, and not made for a job that has grown since."""
    if choice.runtime not in REGISTRY.names() or REGISTRY.get(choice.runtime).missing():
        return False
    outgrown = choice.small and not _small(choice.torch_seconds, expected)
    same = choice.version == REGISTRY.get(choice.runtime).version()
    return not outgrown and same and choice.threads == REGISTRY.get(choice.runtime).threads(choice.device, choice.batch)


def _small(torch_seconds: float, expected: int) -> bool:
    return expected * torch_seconds * SPARED < CONVERSION_SECONDS


def rate(label: str, compiled: Compiled, sample: np.ndarray, first: float) -> float:
    """Return inputs a second of one candidate, whose first run took ``first`` seconds."""
    # The first run also allocates and picks kernels; where it was slow it is measurement enough.
    rounds = 4 if first < 0.03 else 2 if first < 0.1 else 0
    start = time.perf_counter()
    for _ in compiled.stream(sample for _ in range(rounds)):
        pass
    taken = (time.perf_counter() - start) / rounds if rounds else first
    # A padded batch costs what a full one does.
    return round(compiled.room(sample.shape[1:]) / min(taken, first), 1)


class _Trial:
    """The measurement of one module; holds what was compiled on the way."""

    def __init__(
        self,
        module: nn.Module,
        sample: np.ndarray,
        *,
        batch: int,
        torch_batch: int,
        device: str,
        cache: Path | None,
        axes: int = 0,
    ) -> None:
        self.module = module
        self.sample = sample
        self.batch = batch
        self.torch_batch = torch_batch
        self.device = device
        self.cache = cache
        self.axes = axes
        self.ready: dict[str, Compiled] = {}
        """By runtime and precision."""
        self.rates: dict[str, float] = {}
        self.agreements: dict[str, Agreement] = {}
        self.notes: list[str] = []
        self.reference = self._run("torch", "float32")

    def _run(self, name: str, precision: str) -> np.ndarray:
        """Compile one candidate, run it, and write down its rate in inputs a second."""
        runtime = REGISTRY.create(name, {"precision": precision})
        compiled = runtime.compile(
            self.module,
            self.sample,
            batch=self._size(name),
            device=self.device,
            cache=self.cache,
            axes=self.axes,
        )
        label = f"{name}:{precision}"
        start = time.perf_counter()
        result = compiled(self.sample)
        self.rates[label] = rate(label, compiled, self.sample, time.perf_counter() - start)
        self.ready[label] = compiled
        if name != "torch" or precision != "float32":
            self.agreements[label] = agreement(self.reference, result)
        return result

    def _size(self, name: str) -> int:
        return self.torch_batch if name == "torch" else self.batch

    def _try(self, name: str, precision: str) -> bool:
        """Try a candidate; say whether it runs and agrees, and note why not."""
        try:
            self._run(name, precision)
        except (RuntimeError, GraftError) as error:
            self.notes.append(f"{name}:{precision} was left out: {error}")
            return False
        label = f"{name}:{precision}"
        if not self.agreements[label].good:
            self.notes.append(f"{label} was left out: {self.agreements[label]} to float32 torch")
            return False
        return True

    def _choice(self, label: str, reason: str, *, small: bool = False) -> Choice:
        name, _, precision = label.partition(":")
        return Choice(
            runtime=name,
            precision=precision,
            device=self.device,
            batch=self._size(name),
            version=REGISTRY.get(name).version(),
            rates=dict(self.rates),
            agreement=self.agreements.get(label),
            reason=reason,
            notes=tuple(self.notes),
            small=small,
            threads=REGISTRY.get(name).threads(self.device, self._size(name)),
            torch_seconds=1 / self.rates["torch:float32"],
        )

    def forced(self, asked: Wish) -> Choice:
        """Return the runtime that the person asked for; if the precision is open, the first that agrees."""
        kind = REGISTRY.get(asked.runtime)
        tried = (asked.precision,) if asked.precision != "auto" else kind.candidates(self.device)
        if (asked.runtime, asked.precision) == ("torch", "auto"):
            return self._fastest_torch("torch was asked for")
        for precision in tried:
            label = f"{asked.runtime}:{precision}"
            if label == "torch:float32":
                return self._choice(label, "it was asked for")
            if asked.precision != "auto":
                self._run(asked.runtime, precision)
                if not self.agreements[label].good:
                    self.notes.append(f"{label} was asked for, though: {self.agreements[label]} to float32 torch")
                return self._choice(label, "it was asked for")
            if self._try(asked.runtime, precision):
                return self._choice(label, "it was asked for")
        raise RuntimeError(f"runtime {asked.runtime} cannot run this network: {'; '.join(self.notes)}")

    def fastest(self, expected: int) -> Choice:
        """Return the fastest candidate that agrees."""
        if self.device != "cpu":
            return self._fastest_torch(f"torch runs on {self.device}")
        if _small(1 / self.rates["torch:float32"], expected):
            reason = f"{expected} inputs are done sooner than another runtime is made ready"
            return self._choice("torch:float32", reason, small=True)
        for name in ORDER:
            kind = REGISTRY.get(name)
            if absent := kind.missing():
                self.notes.append(f"{name} was left out: {absent} is not installed")
                continue
            for precision in kind.candidates(self.device):
                label = f"{name}:{precision}"
                if self._try(name, precision) and self.rates[label] > self.rates["torch:float32"]:
                    return self._choice(label, self._won(label))
        return self._fastest_torch("no other runtime was faster")

    def _fastest_torch(self, reason: str) -> Choice:
        others = [one for one in REGISTRY.get("torch").candidates(self.device) if one != "float32"]
        good = ["torch:float32", *(f"torch:{one}" for one in others if self._try("torch", one))]
        # Another precision must win clearly: a difference within the noise is not worth its rounding.
        best = max(good, key=lambda label: self.rates[label] * (1.0 if label == "torch:float32" else 0.8))
        return self._choice(best, reason)

    def _won(self, label: str) -> str:
        ratio = self.rates[label] / self.rates["torch:float32"]
        return f"{ratio:.1f} times as fast as float32 torch; {self.agreements[label]}"

    def close(self) -> None:
        """Give back what was not chosen."""
        for compiled in self.ready.values():
            compiled.close()
