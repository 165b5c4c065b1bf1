"""How a server runs an exported network: the fastest of OpenVINO and ONNX Runtime whose outputs agree."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np

from graft.runtimes import _openvino
from graft.runtimes._agree import agreement
from graft.serving.http.exported import Exported

BATCH = 4
"""Inputs of a batch: on processors, larger ones were never faster."""
GAIN = 1.1
"""Batches are only worth their wait, and a runtime its conversion, from this ratio of throughputs on."""
MEASURED = 0.15
"""Seconds that each candidate is timed for."""
Outputs = tuple[np.ndarray, ...]


class Runner(ABC):
    """A network that several threads may ask at once."""

    name: str
    batch: int
    """The most inputs at once that make it faster."""
    lanes: int
    """How many threads may ask at once without waiting for each other."""

    @abstractmethod
    def run(self, inputs: np.ndarray) -> Outputs:
        """Return logits, and features where the network gives them, of (n, ...) inputs, n at most ``batch``."""


class OnnxRuntime(Runner):
    """ONNX Runtime in float32, one batch at a time on all cores."""

    def __init__(self, exported: Exported) -> None:
        self.name, self.batch, self.lanes = "onnxruntime float32", BATCH, 1
        self.exported = exported

    def run(self, inputs: np.ndarray) -> Outputs:
        """Return the outputs."""
        return self.exported.run(inputs)


class OpenVino(Runner):
    """OpenVINO with as many streams as the processor has use for, each request on one of them."""

    def __init__(self, exported: Exported, precision: str, batch: int) -> None:
        core = _openvino.core()
        model = core.read_model(exported.content)
        if not exported.varies:
            # Networks of fixed shapes are a sixth faster.
            model.reshape([batch, *exported.shape])
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[precision],
        }
        compiled = core.compile_model(model, "CPU", settings)
        self.name, self.batch = f"openvino {precision}", batch
        self.lanes = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.fixed = not exported.varies
        self.outputs = [compiled.output(one) for one in exported.outputs]
        self.compiled = compiled
        self.idle: list[Any] = []
        self.lock = threading.Lock()

    def run(self, inputs: np.ndarray) -> Outputs:
        """Return the outputs; a shorter batch of a fixed network is padded."""
        count = len(inputs)
        if self.fixed and count < self.batch:
            inputs = np.concatenate([inputs, np.zeros((self.batch - count, *inputs.shape[1:]), inputs.dtype)])
        with self.lock:
            request = self.idle.pop() if self.idle else self.compiled.create_infer_request()
        request.infer({0: np.ascontiguousarray(inputs)}, share_inputs=True)
        found = tuple(np.array(request.get_tensor(one).data[:count], np.float32) for one in self.outputs)
        with self.lock:
            self.idle.append(request)
        return found


class Sized(Runner):
    """A form for single inputs and one for full batches."""

    def __init__(self, single: Runner, full: Runner) -> None:
        self.single, self.full = single, full
        self.name, self.batch, self.lanes = full.name, full.batch, full.lanes

    def run(self, inputs: np.ndarray) -> Outputs:
        """Return the outputs; half a batch and less is run one by one."""
        if len(inputs) * 2 > self.batch:
            return self.full.run(inputs)
        parts = [self.single.run(inputs[place : place + 1]) for place in range(len(inputs))]
        return tuple(np.concatenate(one) for one in zip(*parts, strict=True))


def choose(exported: Exported, *, wish: str = "auto") -> tuple[Runner, str]:
    """Return the fastest runner that agrees with ONNX Runtime in float32, and a sentence of why.

    Agreement is that of ``runtimes``: of the features, or of the logits where there are none, on noise.
    ``wish`` is ``auto``, ``openvino`` or ``onnxruntime``.
    """
    plain = OnnxRuntime(exported)
    if wish == "onnxruntime" or find_spec("openvino") is None:
        return plain, f"{plain.name}, which was asked for" if wish == "onnxruntime" else f"{plain.name} alone is here"
    noise = exported.noise()
    wanted = exported.run(noise)[-1]
    able = _openvino.core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for precision in ("bfloat16", "float32") if "BF16" in able else ("float32",):
        try:
            found = OpenVino(exported, precision, BATCH if exported.varies else 1)
            agreed = agreement(wanted, np.concatenate([found.run(noise[i : i + 1])[-1] for i in range(len(noise))]))
        except RuntimeError:  # it cannot convert the network
            break
        if agreed.good:
            return _faster(exported, plain, found, precision, noise, wish, str(agreed))
    return plain, f"{plain.name}: OpenVINO does not agree with it"


def _faster(
    exported: Exported, plain: Runner, found: Runner, precision: str, noise: np.ndarray, wish: str, agreed: str
) -> tuple[Runner, str]:
    rate, slow = throughput(found, noise), throughput(plain, noise)
    if not exported.varies:
        full = OpenVino(exported, precision, BATCH)
        if (many := throughput(full, noise)) > GAIN * rate:
            found, rate = Sized(found, full), many
    told = f"{rate:.0f} inputs/s against {slow:.0f} of {plain.name}; {agreed}"
    if wish == "auto" and rate < slow:
        return plain, f"{plain.name}: {slow:.0f} inputs/s against {rate:.0f} of {found.name}"
    return found, f"{found.name}: {told}"


def throughput(runner: Runner, noise: np.ndarray, seconds: float = MEASURED) -> float:
    """Return how many inputs a second a runner answers when all its lanes are busy."""
    batch = np.resize(noise, (runner.batch, *noise.shape[1:]))

    def turn(until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            runner.run(batch)
            count += runner.batch
        return count

    return _beside(turn, runner, batch, seconds)


def _beside(turn: Callable[[float], int], runner: Runner, batch: np.ndarray, seconds: float) -> float:
    runner.run(batch)
    with ThreadPoolExecutor(runner.lanes) as pool:
        start = time.perf_counter()
        done = sum(pool.map(turn, [start + seconds] * runner.lanes))
        return done / (time.perf_counter() - start)
