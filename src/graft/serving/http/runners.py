"""How a server runs an exported network: the fastest of OpenVINO and ONNX Runtime whose outputs agree."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np

from graft.errors import ArtifactError, must
from graft.runtimes import _openvino
from graft.runtimes._agree import agreement
from graft.serving.http import choices
from graft.serving.http.choices import Choice
from graft.serving.http.exported import AGAIN, BESIDE, Exported

BATCH = 4
"""Inputs of a batch: on processors, larger ones were never faster."""
MANY = 16
"""The same where inputs differ in length: they are small ones, and to change from one shape to another costs as much as
some of them do."""
GAIN = 1.15
"""Batches are only worth their wait, and the memory of a second form, from this ratio of throughputs on."""
TURNS = 3
"""How often two forms are timed in turn: one noisy moment must not decide."""
MEASURED = 0.1
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
    def run(self, inputs: np.ndarray, beside: np.ndarray | None = None) -> Outputs:
        """Return logits, and features where the network gives them, of (n, ...) inputs, n at most ``batch``.

        ``beside`` (n, width) float32 is for networks that take more than the input; without it those get noughts.
        """


class OnnxRuntime(Runner):
    """ONNX Runtime in float32, one batch at a time on all cores."""

    def __init__(self, exported: Exported) -> None:
        import onnxruntime

        self.name, self.batch, self.lanes = "onnxruntime float32", _most(exported), 1
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        # Waiting threads that turn in circles would take the cores from decoding.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # By name where the weights lie beside it, as they do from 2 GB on.
            self.session = onnxruntime.InferenceSession(str(exported.file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library raises classes of its own
            raise ArtifactError(
                must(str(exported.file), "an ONNX file that is whole", "something else", AGAIN)
            ) from error
        self.exported = exported

    def run(self, inputs: np.ndarray, beside: np.ndarray | None = None) -> Outputs:
        """Return the outputs."""
        feeds = fed(self.exported, inputs, beside)
        found: list[np.ndarray] = self.session.run(list(self.exported.outputs), feeds)
        return tuple(one.astype(np.float32, copy=False) for one in found)


class OpenVino(Runner):
    """OpenVINO with as many streams as the processor has use for, each request on one of them."""

    def __init__(self, exported: Exported, precision: str, batch: int) -> None:
        core = _openvino.core()
        model = core.read_model(exported.file)
        if not exported.varies:
            # Networks of fixed shapes are a sixth faster.
            shapes = {exported.input: [batch, *exported.shape]}
            model.reshape(shapes | ({BESIDE: [batch, exported.beside]} if exported.beside else {}))
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[precision],
        }
        compiled = core.compile_model(model, "CPU", settings)
        self.name, self.batch = f"openvino {precision}", batch
        self.lanes = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.fixed = not exported.varies
        self.outputs = [compiled.output(one) for one in exported.outputs]
        self.exported, self.compiled = exported, compiled
        self.idle: list[Any] = []
        self.lock = threading.Lock()

    def run(self, inputs: np.ndarray, beside: np.ndarray | None = None) -> Outputs:
        """Return the outputs; a shorter batch of a fixed network is padded."""
        count = len(inputs)
        feeds = fed(self.exported, inputs, beside)
        if self.fixed and count < self.batch:
            feeds = {name: _padded(one, self.batch) for name, one in feeds.items()}
        with self.lock:
            request = self.idle.pop() if self.idle else self.compiled.create_infer_request()
        request.infer({name: np.ascontiguousarray(one) for name, one in feeds.items()}, share_inputs=True)
        found = tuple(np.array(request.get_tensor(one).data[:count], np.float32) for one in self.outputs)
        with self.lock:
            self.idle.append(request)
        return found


class Sized(Runner):
    """A form for single inputs and one for full batches."""

    def __init__(self, single: Runner, full: Runner) -> None:
        self.single, self.full = single, full
        self.name, self.batch, self.lanes = full.name, full.batch, full.lanes

    def run(self, inputs: np.ndarray, beside: np.ndarray | None = None) -> Outputs:
        """Return the outputs; half a batch and less is run one by one."""
        if len(inputs) * 2 > self.batch:
            return self.full.run(inputs, beside)
        rows = [slice(place, place + 1) for place in range(len(inputs))]
        parts = [self.single.run(inputs[row], None if beside is None else beside[row]) for row in rows]
        return tuple(np.concatenate(one) for one in zip(*parts, strict=True))


def fed(exported: Exported, inputs: np.ndarray, beside: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the arrays that a network is given, by the names of its inputs."""
    if not exported.beside:
        return {exported.input: inputs}
    noughts = np.zeros((len(inputs), exported.beside), np.float32)
    return {exported.input: inputs, BESIDE: noughts if beside is None else beside}


def _padded(rows: np.ndarray, batch: int) -> np.ndarray:
    return np.concatenate([rows, np.zeros((batch - len(rows), *rows.shape[1:]), rows.dtype)])


def _most(exported: Exported) -> int:
    return MANY if exported.varies else BATCH


def choose(exported: Exported, *, wish: str = "auto") -> tuple[Runner, str]:
    """Return the fastest runner that agrees with ONNX Runtime in float32, and a sentence of why.

    Agreement is that of ``runtimes``: of the features, or of the logits where there are none, on noise. What was
    measured is remembered, so that a later start loads nothing but what it needs.
    ``wish`` is ``auto``, ``openvino`` or ``onnxruntime``. Raises ArtifactError for a file that cannot be run.
    """
    if wish == "onnxruntime":
        plain = OnnxRuntime(exported)
        return plain, f"{plain.name}, which was asked for"
    kept = choices.remembered(exported.version, wish)
    if kept is not None and (kept.runtime == "onnxruntime" or find_spec("openvino") is not None):
        try:
            return _made(exported, kept), f"{kept.why} (measured at an earlier start)"
        except RuntimeError:  # another build of the same version
            kept = None
    found, choice = _measured(exported, wish)
    choices.remember(exported.version, wish, choice)
    return found, choice.why


def _made(exported: Exported, choice: Choice) -> Runner:
    """Return the runner of a choice."""
    if choice.runtime == "onnxruntime":
        return OnnxRuntime(exported)
    if exported.varies or choice.batch == 1:
        return OpenVino(exported, choice.precision, choice.batch)
    return Sized(OpenVino(exported, choice.precision, 1), OpenVino(exported, choice.precision, choice.batch))


def _measured(exported: Exported, wish: str) -> tuple[Runner, Choice]:
    plain = OnnxRuntime(exported)

    def stay(why: str) -> tuple[Runner, Choice]:
        return plain, Choice("onnxruntime", "float32", plain.batch, f"{plain.name}{why}")

    if find_spec("openvino") is None:
        return stay(" alone is here")
    noise = exported.noise()
    wanted = plain.run(noise)[-1]
    able = _openvino.core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for precision in ("bfloat16", "float32") if "BF16" in able else ("float32",):
        try:
            found = OpenVino(exported, precision, MANY if exported.varies else 1)
            agreed = agreement(wanted, np.concatenate([found.run(noise[i : i + 1])[-1] for i in range(len(noise))]))
        except RuntimeError:  # it cannot convert the network
            break
        if not agreed.good:
            continue
        rate, slow = throughput(found, noise), throughput(plain, noise)
        if wish == "auto" and rate < slow:
            return stay(f": {slow:.0f} inputs/s against {rate:.0f} of {found.name}")
        return _sized(exported, found, precision, rate, f"against {slow:.0f} of {plain.name}; {agreed}")
    return stay(": OpenVINO does not agree with it")


def _sized(exported: Exported, found: Runner, precision: str, rate: float, told: str) -> tuple[Runner, Choice]:
    """Return it with a form for batches, where those are worth their wait and their memory."""
    if not exported.varies:
        full, noise = OpenVino(exported, precision, BATCH), exported.noise()
        rates = [(throughput(found, noise), throughput(full, noise)) for _ in range(TURNS)]
        if np.median([many / one for one, many in rates]) > GAIN:
            found, rate = Sized(found, full), float(np.median([many for _, many in rates]))
    return found, Choice("openvino", precision, found.batch, f"{found.name}: {rate:.0f} inputs/s {told}")


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
