"""Reads ELMo as it was published, ``options.json`` and HDF5 weights as bilm-tf wrote them, and as Graft writes it.

TensorFlow keeps matrices transposed, orders an LSTM's gates input, candidate, forget, output, adds 1 to the forget
gate while it runs, and its table of characters has no row for padding. All of that is set right here, once.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graft.backbones._nets.elmo import ElmoSizes
from graft.backbones._weights import read_tensors
from graft.errors import NotInstalledError, WeightsError, must

DO_INSTALL = "pip install 'graft-ml[elmo]'"
FORGET_BIAS = 1.0
"""What TensorFlow's LSTM adds to the forget gate."""


def _wrong(path: Path, wanted: str, got: object) -> WeightsError:
    do = "Give the folder of a published ELMo: one options.json (or *_options.json) and one *.hdf5"
    return WeightsError(must(f"ELMo's weights {str(path)!r}", wanted, got, do))


def read_elmo(path: Path) -> tuple[dict[str, torch.Tensor], ElmoSizes]:
    """Return the tensors under the names of ``elmo`` and the sizes.

    ``path`` is a folder with the options and the weights, or the weights with the options beside them. No mix was
    published, since it is learned with the task: all layers begin equal. Weights may also be a safetensors file with
    the names of ``elmo``. Raises WeightsError, and NotInstalledError for HDF5 without h5py.
    """
    folder = path if path.is_dir() else path.parent
    options = _only(path, sorted(folder.glob("*options.json")), "file of options")
    files = sorted([*folder.glob("*.hdf5"), *folder.glob("*.safetensors")])
    weights = _only(path, files, "file of weights") if path.is_dir() else path
    try:
        told = json.loads(options.read_text("utf-8"))
        sizes = sizes_of(told)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _wrong(options, "options of an ELMo", f"{type(error).__name__}: {error}") from error
    mix = {"mix.weights": torch.zeros(sizes.layers + 1), "mix.gamma": torch.ones(1)}
    tensors = read_tensors(weights) if weights.suffix == ".safetensors" else _published(weights, sizes)
    return {**mix, **tensors}, sizes


def _only(path: Path, found: list[Path], what: str) -> Path:
    if len(found) != 1:
        raise _wrong(path, f"with one {what}", len(found))
    return found[0]


def sizes_of(options: Mapping[str, Any]) -> ElmoSizes:
    """Return the sizes that ``options.json`` describes. Raises KeyError, TypeError or ValueError where it cannot be."""
    letters, lstm = options["char_cnn"], options["lstm"]
    if not lstm.get("use_skip_connections"):
        raise ValueError("use_skip_connections must be true: no other ELMo was published")
    if letters["activation"] not in ("relu", "tanh"):
        raise ValueError(f"activation must be relu or tanh, not {letters['activation']!r}")
    return ElmoSizes(
        filters=tuple((int(width), int(count)) for width, count in letters["filters"]),
        character=int(letters["embedding"]["dim"]),
        per_word=int(letters["max_characters_per_token"]),
        highways=int(letters["n_highway"]),
        projection=int(lstm["projection_dim"]),
        cell=int(lstm["dim"]),
        layers=int(lstm["n_layers"]),
        cell_clip=float(lstm.get("cell_clip") or 0),
        projection_clip=float(lstm.get("proj_clip") or 0),
        activation=letters["activation"],
    )


def _published(path: Path, sizes: ElmoSizes) -> dict[str, torch.Tensor]:
    """Return the tensors of an HDF5 file. Raises WeightsError where one is absent or of another shape."""
    try:
        import h5py
    except ImportError as error:
        raise NotInstalledError(must("h5py", "installed to read ELMo", "no package", DO_INSTALL)) from error
    try:
        with h5py.File(path, "r") as file:

            def get(name: str, *shape: int) -> np.ndarray:
                # Links that lead out of the file are not followed.
                found = file.get(name)
                if not isinstance(found, h5py.Dataset) or found.file.filename != file.filename:
                    raise _wrong(path, f"with {name}", "none")
                if found.shape != shape:
                    raise _wrong(path, f"with {name} of shape {shape}", found.shape)
                return np.asarray(found[()], np.float32)

            arrays = _characters(get, sizes) | _layers(get, sizes)
    except OSError as error:
        raise _wrong(path, "an HDF5 file", str(error).partition("\n")[0]) from error
    return {name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in arrays.items()}


def _characters(get: Callable[..., np.ndarray], sizes: ElmoSizes) -> dict[str, np.ndarray]:
    rows, channels = sizes.characters - 1, sizes.character
    arrays = {"embed.table": np.pad(get("char_embed", rows, channels), ((1, 0), (0, 0)))}
    for index, (width, count) in enumerate(sizes.filters):
        weight = get(f"CNN/W_cnn_{index}", 1, width, channels, count)
        arrays[f"embed.convolutions.{index}.weight"] = weight[0].transpose(2, 1, 0)
        arrays[f"embed.convolutions.{index}.bias"] = get(f"CNN/b_cnn_{index}", count)
    wide = sum(count for _, count in sizes.filters)
    for index in range(sizes.highways):
        for part in ("transform", "carry"):
            name = f"embed.highways.{index}.{part}"
            arrays[f"{name}.weight"] = get(f"CNN_high_{index}/W_{part}", wide, wide).T
            arrays[f"{name}.bias"] = get(f"CNN_high_{index}/b_{part}", wide)
    arrays["embed.project.weight"] = get("CNN_proj/W_proj", wide, sizes.projection).T
    arrays["embed.project.bias"] = get("CNN_proj/b_proj", sizes.projection)
    return arrays


def _layers(get: Callable[..., np.ndarray], sizes: ElmoSizes) -> dict[str, np.ndarray]:
    width, cell = sizes.projection, sizes.cell
    arrays: dict[str, np.ndarray] = {}
    for index in range(sizes.layers):
        for number, direction in enumerate(("forwards", "backwards")):
            place = f"RNN_{number}/RNN/MultiRNNCell/Cell{index}/LSTMCell"
            name = f"layer{index}.{direction}"
            weight = _gates(get(f"{place}/W_0", 2 * width, 4 * cell).T)
            bias = _gates(get(f"{place}/B", 4 * cell))
            bias[cell : 2 * cell] += FORGET_BIAS
            arrays[f"{name}.input.weight"] = weight[:, :width]
            arrays[f"{name}.state.weight"] = weight[:, width:]
            arrays[f"{name}.state.bias"] = bias
            arrays[f"{name}.project.weight"] = get(f"{place}/W_P_0", cell, width).T
    return arrays


def _gates(array: np.ndarray) -> np.ndarray:
    """Return a copy with TensorFlow's gates (input, candidate, forget, output) in torch's order."""
    enter, candidate, forget, leave = np.split(array, 4)
    return np.concatenate([enter, forget, candidate, leave])
