"""The networks that Graft names itself, read from ``catalog.toml``; imports no torch, so that listing is quick."""

import os
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DEFAULT = {
    "image": "tf_efficientnet_lite0",
    "audio": "tf_efficientnet_lite0",
    "video": "tf_efficientnet_lite0",
    "text": "all-MiniLM-L6-v2",
}
"""The backbone of each modality where none is named; its weights come with the installation. Sound is drawn, and of a
video the frames are seen."""


@dataclass(frozen=True)
class Listed:
    """One line of ``graft list backbones``."""

    name: str
    family: str
    modality: str
    parameters: int | None
    """In the stages; the original classifier is not counted. None where a person's file decides."""
    input_size: tuple[int, ...]
    """(height, width) in pixels, (tokens,), (frames,), or (samples a second,) where any length is taken."""
    features: int | None
    """Length of the feature vector that a linear probe gets; None where a person's file decides."""
    licence: str
    """Of the weights, SPDX name."""
    source: str
    """``package:...``, an address, ``hub:repository``, or ``file:`` and what a person gives by ``--weights``."""
    here: bool
    """Whether the weights are on this machine."""
    default: bool
    unit: str = "px"
    """What the input's size is counted in."""
    note: str = ""
    """What the person should know, such as a branch that is left out."""


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Return the catalogue as it is written, by name."""
    text = Path(__file__).with_name("catalog.toml").read_text("utf-8")
    return {entry["name"]: entry for entry in tomllib.loads(text)["backbone"]}


def listing() -> tuple[Listed, ...]:
    """Return the catalogue with what is true of this machine, in the order of the file."""
    return tuple(
        Listed(
            name=name,
            family=entry["family"],
            modality=entry["modality"],
            parameters=entry.get("parameters"),
            input_size=tuple(entry["input_size"]),
            features=entry.get("features"),
            licence=entry["licence"],
            source=_source(entry),
            here=_here(entry),
            default=DEFAULT.get(entry["modality"]) == name,
            unit=entry.get("unit", "px"),
            note=entry.get("note", ""),
        )
        for name, entry in entries().items()
    )


def package_of(name: str, family: str) -> str | None:
    """Return ``module:Class`` of the package that may hold a network's weights, or None."""
    entry = entries().get(name)
    return entry.get("package") if entry is not None and entry["family"] == family else None


def _source(entry: dict[str, Any]) -> str:
    if "files" in entry:
        return f"file:{entry['files']}"
    if "package" in entry and (_packaged(entry) or "hub" not in entry):
        return f"package:{entry['package'].partition(':')[0]}"
    return f"hub:{entry['hub']}" if "hub" in entry else str(entry["url"])


def _packaged(entry: dict[str, Any]) -> bool:
    return "package" in entry and find_spec(str(entry["package"]).partition(":")[0]) is not None


def _here(entry: dict[str, Any]) -> bool:
    if "files" in entry:
        return False
    if _packaged(entry):
        return True
    if "hub" in entry:
        repository = _hugging_face() / f"models--{entry['hub'].replace('/', '--')}" / "snapshots"
        return any(any(repository.glob(f"*/{file}")) for file in ("model.safetensors", "pytorch_model.bin"))
    return (_torch_hub() / "checkpoints" / str(entry["url"]).rpartition("/")[2]).is_file()


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _hugging_face() -> Path:
    """Return the hub's cache as ``huggingface_hub.constants`` finds it."""
    home = os.environ.get("HF_HOME") or _user_cache() / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def _torch_hub() -> Path:
    """Return torch's hub folder as ``torch.hub.get_dir`` finds it."""
    return Path(os.environ.get("TORCH_HOME") or _user_cache() / "torch").expanduser() / "hub"
