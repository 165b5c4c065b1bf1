"""The floor under any fit: read, decode, resize and one forward pass, on the fastest route that this machine has."""

import io
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch import nn

from benchmarks import fits, photos
from graft import backbones
from graft.preprocess import Preprocess

BACKBONE = "tf_efficientnet_lite0"
THREADS = (1, 2)
"""That decode: a second one gets in the way of the network where one decodes fast enough."""
AHEAD = 128
"""Photos that may wait, decoded."""
CLOSE = 0.98
"""The cosine to float32 torch below which a route computes something else."""

Decode = Callable[[str], np.ndarray]
Run = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]


# -- decoding ---------------------------------------------------------------------------------------------------------


def decoders() -> dict[str, Decode]:
    """Return ways from a path to the uint8 (3, 224, 224) that the network takes."""
    preprocess = backbones.load(BACKBONE, weights="random").preprocess
    return {
        "as Graft decodes": partial(_by_graft, preprocess),
        "simplejpeg, Pillow's resize": _by_simplejpeg,
        "Pillow alone": _by_pillow,
    }


def _by_graft(preprocess: Preprocess, path: str) -> np.ndarray:
    return preprocess.fit(preprocess.decode(Path(path).read_bytes()))


def _by_simplejpeg(path: str) -> np.ndarray:
    return _fitted(Image.fromarray(simplejpeg.decode_jpeg(Path(path).read_bytes(), "RGB")))


def _by_pillow(path: str) -> np.ndarray:
    with Image.open(io.BytesIO(Path(path).read_bytes())) as photo:
        photo.draft("RGB", (512, 512))
        return _fitted(photo.convert("RGB"))


def _fitted(photo: Image.Image, side: int = 256, crop: int = 224) -> np.ndarray:
    scale = side / min(photo.size)
    width, height = (max(side, round(scale * length)) for length in photo.size)
    resized = photo.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - crop) // 2, (height - crop) // 2
    return np.ascontiguousarray(np.asarray(resized.crop((left, top, left + crop, top + crop))).transpose(2, 0, 1))


# -- the network ------------------------------------------------------------------------------------------------------


def routes() -> dict[str, tuple[Callable[..., Run], int]]:
    """Return how the network can be run: what makes it ready, and the batch size."""
    found: dict[str, tuple[Callable[..., Run], int]] = {
        "torch, eager": (_torch, 8),
        "torch, channels-last": (partial(_torch, channels_last=True), 8),
        "torch, channels-last, bf16": (partial(_torch, channels_last=True, half=True), 8),
        "torch.compile": (partial(_torch, channels_last=True, compiled=True), 8),
        "torch.compile, bf16": (partial(_torch, channels_last=True, compiled=True, half=True), 8),
    }
    for batch in (1, 8):
        found[f"ONNX Runtime fp32, batch {batch}"] = (_onnxruntime, batch)
        found[f"OpenVINO bf16, batch {batch}"] = (_openvino, batch)
    return found


def _torch(
    module: nn.Module,
    sample: np.ndarray,
    *,
    channels_last: bool = False,
    half: bool = False,
    compiled: bool = False,
) -> Run:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    ready = module.to(memory_format=layout)
    if compiled:
        ready = torch.compile(ready)

    def run(batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            for batch in batches:
                yield ready(torch.from_numpy(batch).contiguous(memory_format=layout)).float().numpy()

    return run


def _onnxruntime(module: nn.Module, sample: np.ndarray) -> Run:
    import onnxruntime

    file = io.BytesIO()
    torch.onnx.export(module, (torch.from_numpy(sample),), dynamo=True, verbose=False).save(file)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for batch in batches:
            yield session.run(None, {name: batch})[0]

    return run


def _openvino(module: nn.Module, sample: np.ndarray) -> Run:
    import openvino

    model = openvino.convert_model(module, example_input=torch.from_numpy(sample))
    model.reshape(list(sample.shape))
    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "bf16"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    wanted = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1

    def run(batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        queue = openvino.AsyncInferQueue(compiled, wanted)
        outputs: dict[int, np.ndarray] = {}

        def done(request: Any, given: tuple[int, np.ndarray]) -> None:
            outputs[given[0]] = request.get_output_tensor(0).data.copy()

        queue.set_callback(done)
        for number, batch in enumerate(batches):
            # The batch goes along as user data, so that it lives as long as it is read.
            queue.start_async({0: batch}, (number, batch), share_inputs=True)
        queue.wait_all()
        yield from (outputs[number] for number in sorted(outputs))

    return run


# -- both at once -----------------------------------------------------------------------------------------------------


def passed(files: list[str], decode: Decode, run: Run | None, batch: int, threads: int = 2) -> float:
    """Return the seconds for all files: decoded in threads, run through the network meanwhile."""
    start = time.perf_counter()
    with ThreadPoolExecutor(threads, initializer=_one_core) as pool:
        arrays = _ahead(pool, decode, files)
        batches = _batched(arrays, batch)
        count = sum(len(one) for one in (run(batches) if run else batches))
    seconds = time.perf_counter() - start
    if count < len(files):
        raise RuntimeError(f"{count} of {len(files)} photos came out")
    return seconds


def _one_core() -> None:
    torch.set_num_threads(1)


def _ahead(pool: ThreadPoolExecutor, decode: Decode, files: list[str]) -> Iterator[np.ndarray]:
    waiting = deque(pool.submit(decode, path) for path in files[:AHEAD])
    coming = iter(files[AHEAD:])
    while waiting:
        array = waiting.popleft().result()
        if (path := next(coming, None)) is not None:
            waiting.append(pool.submit(decode, path))
        yield array


def _batched(arrays: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    held: list[np.ndarray] = []
    for one in arrays:
        held.append(one)
        if len(held) == size:
            yield np.stack(held)
            held = []
    if held:
        # The last batch is filled up: it costs what a full one does.
        yield np.stack(held + [held[-1]] * (size - len(held)))


# -- what the parent process calls ------------------------------------------------------------------------------------


def _network() -> nn.Module:
    backbone = backbones.load(BACKBONE)
    return backbone.prefix(backbone.n_stages)


def survey(folder: str, count: int, slow: bool) -> dict[str, Any]:
    """Return the rate of each decoder and route in photos a second, and why a route was left out.

    Routes are compared with two threads decoding; the fastest is then tried with one as well, and ``threads`` tells how
    many were better for it.

    ``count`` photos are measured; ``slow`` also tries what takes long to compile.
    """
    fits.imports()
    files = photos.files(Path(folder))[:count]
    decoding = {name: _rate(files, decode, None, 8) for name, decode in decoders().items()}
    decode = decoders()[max(decoding, key=lambda name: decoding[name])]
    rates: dict[str, float] = {}
    left_out: dict[str, str] = {}
    reference: np.ndarray | None = None
    sample = np.stack([decode(path) for path in files[:8]])
    for name, (make, batch) in routes().items():
        if "compile" in name and not slow:
            left_out[name] = "takes a minute to compile"
            continue
        try:
            run = make(_network(), sample[:batch])
            output = np.concatenate(list(run(sample[at : at + batch] for at in range(0, 8, batch))))
            reference = output if reference is None else reference
            cosine = float((reference * output).sum() / np.linalg.norm(reference) / np.linalg.norm(output))
            if cosine < CLOSE:
                left_out[name] = f"cosine {cosine:.3f} to eager torch"
                continue
            rates[name] = _rate(files, decode, run, batch)
        # A route that is absent or cannot take the network is no fault of the benchmark.
        except Exception as error:
            left_out[name] = str(error).strip().partition("\n")[0][:80] or type(error).__name__
    best = max(rates, key=lambda name: rates[name])
    make, batch = routes()[best]
    run = make(_network(), sample[:batch])
    tried = {number: _rate(files, decode, run, batch, number) for number in THREADS}
    threads = max(tried, key=lambda number: tried[number])
    rates[best] = tried[threads]
    return {"decoding": decoding, "rates": rates, "threads": threads, "left_out": left_out}


def _rate(files: list[str], decode: Decode, run: Run | None, batch: int, threads: int = 2) -> float:
    passed(files[:32], decode, run, batch, threads)
    return len(files) / min(passed(files, decode, run, batch, threads) for _ in range(2))


def floor(folder: str, decoder: str, route: str, threads: int) -> dict[str, float]:
    """Return the seconds of a pass over a folder, and those of all cores; conversion and warm-up do not count."""
    fits.imports()
    files = photos.files(Path(folder))
    make, batch = routes()[route]
    decode = decoders()[decoder]
    run = make(_network(), np.stack([decode(path) for path in files[:batch]]))
    passed(files[:32], decode, run, batch, threads)
    worked = time.process_time()
    return {"seconds": passed(files, decode, run, batch, threads), "cpu": time.process_time() - worked}
