"""Where weights come from, how they are checked, and their hash."""

import re
import threading
import urllib.error
import urllib.request
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from torch.overrides import TorchFunctionMode

from graft.errors import WeightsError, must

PATIENCE = 5.0
"""Seconds that a host may take to answer before it counts as out of reach."""
PREFIXES = ("module.", "_orig_mod.")
"""What data-parallel training and compiling put before every name."""
SHOWN = 8


class _NoRandomFill(TorchFunctionMode):
    """Puts noughts where initialisation would draw random numbers, for a fraction of the time.

    Not whatever lies in memory: torch draws a truncated normal again until no value is out of its bounds.
    """

    # The functions of ``torch.nn.init`` are told of by their own names, and inside one of them nothing is told of.
    SKIPPED = re.compile(r"(\w+_)?(normal|uniform)_|(erfinv|random|bernoulli|orthogonal|sparse)_")

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        filled = args[0] if args else given.get("tensor")
        if isinstance(filled, torch.Tensor) and self.SKIPPED.fullmatch(getattr(func, "__name__", "")):
            with torch.no_grad():
                return filled.zero_()
        return func(*args, **given)


@contextmanager
def without_random_fill() -> Iterator[None]:
    """Build networks without drawing their initial weights, and without touching the global generator."""
    with torch.random.fork_rng(devices=[]), _NoRandomFill():
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a generator that begins at ``seed``, and leave the global one as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def sha256_of(modules: Sequence[nn.Module]) -> str:
    """Return the sha-256 in hex of the modules' tensors, sorted by name: name, dtype, shape and bytes of each.

    Where several modules name a tensor alike, as layers do, the module's number stands before the name.
    """
    states = [module.state_dict() for module in modules]
    often = Counter(name for state in states for name in state)
    tensors = {
        name if often[name] == 1 else f"{number}.{name}": tensor
        for number, state in enumerate(states)
        for name, tensor in state.items()
    }
    state = sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        state.update(f"{name}\0{str(tensor.dtype).removeprefix('torch.')}\0{tuple(tensor.shape)}\0".encode())
        state.update(memoryview(tensor.reshape(-1).view(torch.uint8).numpy()))
    return state.hexdigest()


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file or of a state dict that ``torch.save`` wrote; never unpickles code.

    Raises WeightsError for anything else.
    """
    do = "Give a safetensors file or a state dict saved by torch.save"
    if not path.is_file():
        raise WeightsError(must("weights", "auto, random or an existing file", repr(str(path)), do))
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            loaded: Any = load_file(path)
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (
        SafetensorError,
        UnpicklingError,
        RuntimeError,
        EOFError,
        KeyError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise WeightsError(must("weights", "a file of tensors", f"{str(path)!r} ({reason})", do)) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(t, torch.Tensor) for t in loaded.values()):
        raise WeightsError(must("weights", "tensors by name", f"{str(path)!r} with something else", do))
    for prefix in PREFIXES:
        if all(str(name).startswith(prefix) for name in loaded):
            loaded = {str(name).removeprefix(prefix): tensor for name, tensor in loaded.items()}
    return {str(name): tensor for name, tensor in loaded.items()}


def fill(
    model: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    *,
    classifier: Sequence[str],
    left_out: Sequence[str],
    source: str,
) -> bool:
    """Copy ``tensors`` into the network; return whether its classifier was filled as well.

    A classifier that is absent or has another number of classes is left alone. Raises WeightsError that lists what
    is missing, what is too much and which shapes are wrong.
    """
    own = model.state_dict()
    tops = tuple(f"{name}." for name in classifier)
    given = {name: t for name, t in tensors.items() if not name.startswith(tuple(left_out) or ("\0",))}
    counters = {name for name in own if name.endswith("num_batches_tracked")}
    faults = [
        f"{name} is missing" for name in own if name not in given and not (name.startswith(tops) or name in counters)
    ]
    faults += [f"{name} is not of this network" for name in given if name not in own and not name.startswith(tops)]
    same = {name: t for name, t in given.items() if name in own and t.shape == own[name].shape}
    faults += [
        f"{name} is {tuple(t.shape)} and not {tuple(own[name].shape)}"
        for name, t in given.items()
        if name in own and name not in same and not name.startswith(tops)
    ]
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        got = f"{source} where {'; '.join(faults[:SHOWN])}{more}"
        raise WeightsError(must("weights", f"the {len(own)} tensors of this network", got, "Give its own weights"))
    with torch.no_grad():
        for name, tensor in same.items():
            own[name].copy_(tensor)
    return all(name in same for name in own if name.startswith(tops))


def in_order(model: nn.Module, tensors: Mapping[str, torch.Tensor], source: str) -> dict[str, torch.Tensor]:
    """Return tensors that have other names, but the network's order and shapes, under the network's names."""
    own = model.state_dict()
    if [t.shape for t in own.values()] != [t.shape for t in tensors.values()]:
        got = f"{source} with {len(tensors)} tensors of other shapes"
        raise WeightsError(must("weights", f"the {len(own)} tensors of this network", got, "Install its known version"))
    return dict(zip(own, tensors.values(), strict=True))


def package_file(package: str) -> Path | None:
    """Return the file of weights that ``module:Class`` names, or the folder that ``module:PATH`` does, or None.

    None stands for a package that is not installed.
    """
    module, _, name = package.partition(":")
    if find_spec(module) is None:
        return None
    found = getattr(import_module(module), name)
    return Path(found.get_model_file_path() if hasattr(found, "get_model_file_path") else found)


def out_of_reach(name: str, url: str) -> WeightsError:
    """Return the error for weights that are neither here nor within reach."""
    do = f"Go online once, or fetch {url} elsewhere and give the file by --weights FILE"
    return WeightsError(must(f"pretrained weights of {name}", "on this machine or within reach", "neither", do))


def no_weights(name: str) -> WeightsError:
    """Return the error for a network that nobody has published weights for."""
    do = "Give your own by --weights FILE, take --weights random, or another backbone"
    return WeightsError(must(f"pretrained weights of {name}", "published by its library", "none", do))


def download(url: str, name: str) -> Path:
    """Return a file of torch's hub cache, downloaded if it is not there. Raises WeightsError."""
    file = url.rpartition("/")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if path.is_file():
        return path
    error = out_of_reach(name, url)
    if not reachable(url):
        raise error
    path.parent.mkdir(parents=True, exist_ok=True)
    found = re.search(r"-([a-f0-9]{8,})\.", file)
    try:
        torch.hub.download_url_to_file(url, str(path), found and found.group(1), progress=False)
    except (OSError, RuntimeError) as trouble:
        raise error from trouble
    return path


def hub_file(repository: str, file: str, name: str) -> Path:
    """Return a file of the Hugging Face cache, downloaded if it is not there. Raises WeightsError."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    here = try_to_load_from_cache(repository, file)
    if isinstance(here, str):
        return Path(here)
    url = f"{constants.ENDPOINT}/{repository}/resolve/main/{file}"
    error = out_of_reach(name, url)
    if constants.HF_HUB_OFFLINE or not reachable(url):
        raise error
    try:
        return Path(hf_hub_download(repository, file, etag_timeout=PATIENCE))
    except Exception as trouble:  # the hub's client raises its own and its transport's errors
        raise error from trouble


def reachable(url: str, seconds: float = PATIENCE) -> bool:
    """Return whether a host answers within ``seconds``, the search for its address included."""
    answered = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - only addresses from the libraries
        try:
            with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
                answered.set()
        except urllib.error.HTTPError:
            answered.set()  # it is there, but does not like the question
        except (OSError, ValueError):
            pass

    # A thread, for a name server that does not answer is waited for without regard to the timeout.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()
