"""How long a person waits: for the command line's help, and for the answer to one photo."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import child, fits, photos
from benchmarks.tables import Check, Table, at_most, checks, seconds, spread, times

HELP = 0.5
LIMIT = 1.2
CASES = {
    "a model just loaded": {"runtime": "auto", "before": 0},
    "a model asked 200 times": {"runtime": "auto", "before": 200},
    "a model on torch": {"runtime": "torch:float32", "before": 0},
    "a model on OpenVINO": {"runtime": "openvino", "before": 0},
}


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield the time of ``graft --help``, median of five after a first, and of one answer."""
    rounds = 5 if quick else 30
    graft = Path(sys.executable).parent / "graft"
    waits = [timed(lambda: subprocess.run([graft, "--help"], capture_output=True, check=True)) for _ in range(6)][1:]
    yield checks("Waiting for help", [at_most("`graft --help`", median(waits), HELP, seconds, spread(waits))])
    found: list[Check] = []
    notes: list[str] = []
    source = photos.some("clothing", 8)
    asked = photos.files(photos.real("clothing"))[:rounds]
    with child.folder() as work:
        env = {"GRAFT_CACHE": str(work / "cache")}
        child.call("benchmarks.latency:fitted", env=env, source=source, out=work / "model")
        for what, case in CASES.items():
            try:
                told = child.call("benchmarks.latency:answered", env=env, model=work / "model", files=asked, **case)
            except child.Failed as why:
                notes.append(f"{what} failed: {why}")
                continue
            runs = f"{told['ran']}: {spread(told['answer'])} against {spread(told['bare'])}"
            ratio = median(one / other for one, other in zip(told["answer"], told["bare"], strict=True))
            found.append(at_most(f"`predict` of one photo, {what}", ratio, LIMIT, times, runs))
            found.append(Check(f"its first answer, {what}", seconds(told["first"])))
    notes.append("Against decoding and one bare forward pass at batch 1 on the runtime that the model had chosen.")
    yield checks("Waiting for an answer", found, notes)


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that ``act`` takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def fitted(source: str, out: str) -> dict[str, Any]:
    """Fit the model that is asked."""
    from graft import api

    api.fit(source, out=out, strategy="linear_probe")
    return {}


def answered(model: str, files: list[str], runtime: str, before: int) -> dict[str, Any]:
    """Return the seconds of one answer and of the bare work in it, photo by photo in turn."""
    fits.imports()
    import graft
    from graft import runtimes

    loaded = graft.load(model, runtime=runtime)
    first = timed(lambda: loaded.predict(files[:1]))
    for number in range(before):
        loaded.predict([files[number % len(files)]])
    backbone = loaded.assembled.backbone
    ready: Any = loaded._compiled
    name, precision = _runtime(ready)
    example = _decoded(backbone, files[0])
    kind = runtimes.REGISTRY.create(name, {"precision": precision})
    bare = kind.compile(backbone.prefix(backbone.n_stages), example, batch=1, device="cpu", cache=None)
    for one in files[:3]:
        loaded.predict([one])
        bare(_decoded(backbone, one))
    found: dict[str, Any] = {"answer": [], "bare": [], "first": first}
    kinds = {"answer": lambda path: loaded.predict([path]), "bare": lambda path: bare(_decoded(backbone, path))}
    for number, one in enumerate(files):
        # They take turns at being the first, since the second finds the photo in the processor's caches.
        for kind in sorted(kinds, reverse=bool(number % 2)):
            found[kind].append(timed(partial(kinds[kind], one)))
    return {**found, "ran": f"{name} {precision}, batch {ready.batch}"}


def _runtime(ready: Any) -> tuple[str, str]:
    """Return the name and the precision of what a model runs on."""
    name = type(ready).__module__.rpartition(".")[2]
    if name == "openvino":
        half = "bf" in str(ready.compiled.get_property("INFERENCE_PRECISION_HINT"))
        return name, "bfloat16" if half else "float32"
    return name, getattr(ready, "precision", "float32")


def _decoded(backbone: Any, path: str) -> Any:
    preprocess = backbone.preprocess
    return preprocess.fit(preprocess.decode(Path(path).read_bytes()))[None]
