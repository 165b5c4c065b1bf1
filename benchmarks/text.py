"""Texts: how near embedding, the head and a whole fit come to the fastest bare loop over the same network."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import child, fits, texts
from benchmarks.fits import fit
from benchmarks.tables import Check, Table, at_least, at_most, checks, seconds, spread, times
from graft import backbones

BACKBONE = "all-MiniLM-L6-v2"
SAMPLE = 2048
"""Texts that routes are compared on."""
CLOSE = 0.98
"""The cosine to eager torch below which a route computes something else."""
STEP = 4
"""Lengths are rounded up to this many tokens, so that there are not too many shapes."""
BY_TOKENS, TOKENS = 0, 512
"""Stands for batches of about so many tokens each, however many texts that are."""
ROUNDS = 5
RATE, FIT, HEAD, ACCURACY = 0.9, 1.3, 0.25, 0.925

Batches = Iterable[np.ndarray]
Run = Callable[[Batches], Iterator[np.ndarray]]


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield the routes, and then how Graft compares with the fastest of them."""
    source = texts.some(4, 100) / "train.csv" if quick else texts.whole()
    count = 128 if quick else SAMPLE
    found = child.call("benchmarks.text:survey", source=source, count=count, slow=not quick)
    rates: dict[str, float] = found["rates"]
    rows = [[name, f"{rate:.0f}"] for name, rate in sorted(rates.items(), key=lambda one: one[1])]
    rows += [[name, f"left out: {why}"] for name, why in found["left_out"].items()]
    route = max(rates, key=lambda name: rates[name])
    notes = [f"The floor: {route}. Every loop tokenizes, sorts by length and fills batches; {found['count']:,} texts."]
    yield Table("Routes from texts to features, MiniLM-L6", ("route", "texts a second"), rows, notes)
    with child.folder() as cache:
        env = {"GRAFT_CACHE": str(cache)}
        raced = child.call("benchmarks.text:raced", env=env, source=source, route=route, repeats=1 if quick else ROUNDS)
    with child.folder() as cache:
        one = fit(source, cache, strategy="linear_probe")
    with child.folder() as cache:
        # Other texts leave the network compiled.
        fit(source.with_name("test.csv"), cache, strategy="linear_probe")
        known = fit(source, cache, strategy="linear_probe")
    probe = next(rung for rung in one.outcome["rungs"] if rung["strategy"] == "linear_probe")
    head, accuracy, own = probe["seconds"], one.outcome["test"]["accuracy"], median(raced["graft"])
    # Round by round, since a busy machine hits both.
    rate = median(bare / mine for bare, mine in zip(raced["floor"], raced["graft"], strict=True))
    yield checks(
        "Texts against the floor",
        [
            Check(f"floor, {raced['count']:,} texts", spread(raced["floor"])),
            at_least("embedding, rate to the floor", rate, RATE, times, spread(raced["graft"])),
            at_most("linear-probe fit, to its embedding", known.seconds / own, FIT, times, seconds(known.seconds)),
            at_most("the same, the network's first fit ever", one.seconds / own, FIT, times, seconds(one.seconds)),
            at_most("head and cross-validation, to the embedding", head / own, HEAD, times, seconds(head)),
            Check(f"accuracy on {accuracy['n']} held-out texts", f"{100 * accuracy['value']:.1f} %"),
        ],
        [
            f"Fit, seconds: {known.parts()}. Imports, not counted: {known.imports:.1f}.",
            f"The network's first fit ever, seconds: {one.parts()}.",
        ],
    )


# -- what the parent process calls ------------------------------------------------------------------------------------


def survey(source: str, count: int, slow: bool) -> dict[str, Any]:
    """Return the rate of each route in texts a second, and why a route was left out."""
    fits.imports()
    asked = [text for text, _ in texts.rows(Path(source))][:count]
    rates: dict[str, float] = {}
    left_out: dict[str, str] = {}
    reference: np.ndarray | None = None
    for name, (make, size) in routes().items():
        if "compile" in name and not slow:
            left_out[name] = "takes a minute to compile"
            continue
        try:
            run = make(_network(), size)
            output = passed(asked[:64], run, size)
            reference = output if reference is None else reference
            cosine = float((reference * output).sum() / np.linalg.norm(reference) / np.linalg.norm(output))
            if cosine < CLOSE:
                left_out[name] = f"cosine {cosine:.3f} to eager torch"
                continue
            passed(asked, run, size)
            rates[name] = len(asked) / min(_seconds(asked, run, size) for _ in range(2))
        # A route that is absent or cannot take the network is no fault of the benchmark.
        except Exception as error:
            left_out[name] = str(error).strip().partition("\n")[0][:80] or type(error).__name__
    return {"rates": rates, "left_out": left_out, "count": len(asked)}


def raced(source: str, route: str, repeats: int) -> dict[str, Any]:
    """Return the seconds of the bare loop and of Graft over all texts, in turn.

    Both have compiled the network before; Graft's pass hashes, stores and remembers what the loop does not.
    """
    fits.imports()
    from hashlib import sha256

    from graft import data, features

    examples = data.read(source).examples
    hashes = [sha256(one.content or b"").hexdigest() for one in examples]
    asked = [(one.content or b"").decode() for one in examples]
    make, size = routes()[route]
    run = make(_network(), size)
    passed(asked, run, size)
    backbone = backbones.load(BACKBONE)
    own: list[float] = []
    bare: list[float] = []
    for repeat in range(repeats + 1):
        bare.append(_seconds(asked, run, size))
        # Another seed of views is another store: nothing is taken from an earlier turn.
        store = features.Store(Path(features.cache_folder()) / str(repeat))
        made = features.extract(
            examples, hashes, backbone=backbone, cut=backbone.n_stages, store=store, also=("perceptual_hash",)
        )
        own.append(made.seconds["total"] - made.seconds["choose"])
    return {"floor": bare[1:], "graft": own[1:], "count": len(asked)}


# -- the routes -------------------------------------------------------------------------------------------------------


def routes() -> dict[str, tuple[Callable[[nn.Module, int], Run], int]]:
    """Return how the network can be run: what makes it ready, and the batch size or BY_TOKENS."""
    half = partial(_openvino, precision="bfloat16")
    found: dict[str, tuple[Callable[[nn.Module, int], Run], int]] = {
        "torch, eager": (_torch, 32),
        "torch, eager, bf16": (partial(_torch, half=True), 32),
        "torch.compile, bf16": (partial(_torch, half=True, compiled=True), 32),
        "ONNX Runtime fp32": (_onnxruntime, 32),
        "OpenVINO fp32, batch 32": (partial(_openvino, precision="float32"), 32),
        "OpenVINO bf16, batch 32": (half, 32),
        "OpenVINO bf16, batch 64": (half, 64),
        "OpenVINO bf16, batches of 512 tokens": (half, BY_TOKENS),
    }
    return found


def passed(asked: list[str], run: Run, size: int) -> np.ndarray:
    """Return the features of all texts, in their order: tokenized at once, sorted by length, in full batches."""
    ids = _tokenizer().encode_batch(asked)
    order = sorted(range(len(ids)), key=lambda row: len(ids[row].ids))
    sizes = [-(-len(ids[row].ids) // STEP) * STEP for row in order]
    chunks, start = [], 0
    while start < len(order):
        rows = size or max(1, TOKENS // sizes[min(len(order), start + TOKENS // sizes[start]) - 1])
        chunks.append(order[start : start + rows])
        start += rows

    def batches() -> Iterator[np.ndarray]:
        for chunk in chunks:
            longest = -(-max(len(ids[row].ids) for row in chunk) // STEP) * STEP
            batch = np.full((size or len(chunk), longest), -1, np.int32)
            for place, row in enumerate(chunk):
                batch[place, : len(ids[row].ids)] = ids[row].ids
            yield batch

    outputs = [output[: len(chunk)] for chunk, output in zip(chunks, run(batches()), strict=True)]
    found: np.ndarray = np.concatenate(outputs)[np.argsort(order)]
    return found


def _seconds(asked: list[str], run: Run, size: int) -> float:
    start = time.perf_counter()
    passed(asked, run, size)
    return time.perf_counter() - start


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    preprocess: Any = backbones.load(BACKBONE).preprocess
    made = Tokenizer.from_str(preprocess.tokenizer)
    made.no_padding()
    made.enable_truncation(preprocess.max_length)
    return made


def _network() -> nn.Module:
    backbone = backbones.load(BACKBONE)
    return backbone.prefix(backbone.n_stages)


def _torch(module: nn.Module, size: int, *, half: bool = False, compiled: bool = False) -> Run:
    ready = torch.compile(module, dynamic=True) if compiled else module

    def run(batches: Batches) -> Iterator[np.ndarray]:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            for batch in batches:
                yield ready(torch.from_numpy(batch)).float().numpy()

    return run


def _onnxruntime(module: nn.Module, size: int) -> Run:
    import io

    import onnxruntime

    file, sample = io.BytesIO(), torch.zeros(size, 16, dtype=torch.int32)
    axes = ({0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO},)
    torch.onnx.export(module, (sample,), dynamo=True, dynamic_shapes=axes, verbose=False).save(file)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(batches: Batches) -> Iterator[np.ndarray]:
        for batch in batches:
            yield session.run(None, {name: batch})[0]

    return run


def _openvino(module: nn.Module, size: int, *, precision: str) -> Run:
    from graft.runtimes._openvino import core
    from graft.runtimes.openvino import Requests, convert

    class Bare(Requests):
        """Requests that run what they are given: the loop fills its batches itself."""

        def padded(self, batch: np.ndarray) -> np.ndarray:
            return batch

    model = convert(module, np.zeros((1, 16), np.int32), size or TOKENS, axes=1)
    hints = {"float32": "f32", "bfloat16": "bf16"}
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": hints[precision]}
    return Bare(core().compile_model(model, "CPU", settings), batch=size or TOKENS).stream
