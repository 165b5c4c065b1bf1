"""Arrays with plain JSON about them, from a file that may be anybody's; stacks; vectors of length 1. NumPy alone."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from graft.errors import ArtifactError, must


def opened(file: Path, key: str, newest: int, *, name: str, what: str, do: str) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the JSON under ``key`` of a safetensors file's metadata, and its arrays by name.

    Raises ArtifactError where it is none, or of a format above ``newest``; the sentence calls the file ``name``.
    """
    try:
        with safe_open(file, "numpy") as stored:
            plain = json.loads((stored.metadata() or {}).get(key, "{}"))
            arrays = {one: stored.get_tensor(one) for one in stored.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(must(name, what, error, do)) from None
    version = plain.get("format")
    if not isinstance(version, int) or version > newest:
        got = f"format {version!r}"
        raise ArtifactError(must(name, f"of format {newest} or older", got, "Install a newer graft-ml"))
    return plain, arrays


def stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return arrays of one shape, at least one, as (n, ...); a single one is not copied."""
    return np.stack(arrays) if len(arrays) > 1 else arrays[0][None]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) of length 1; one of length 0 stays as it is."""
    return np.asarray(vectors / np.maximum(lengths(vectors), 1e-12)[:, None])


def lengths(vectors: np.ndarray) -> np.ndarray:
    """Return the lengths (n,) of vectors (n, d), without an array of their size in between, as NumPy's norm makes."""
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", vectors, vectors)))
