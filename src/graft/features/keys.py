"""Names of shelves and keys of records: what is left out of them is a stale-cache fault."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from graft.types import digest


def canonical(spec: Mapping[str, Any]) -> str:
    """Return a specification as the one JSON text that all equal specifications have. Raises TypeError, ValueError."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)


def shelf_name(spec: Mapping[str, Any]) -> str:
    """Return the folder's name: the sha-256 in hex of the canonical JSON."""
    return digest(canonical(spec))


def record_key(content: str, *, augmentation: str, view: int, seed: int) -> np.ndarray:
    """Return the key uint8 (32,) of one view of one input; view 0 depends on its content alone."""
    about = ("plain",) if view == 0 else ("view", augmentation, str(view), str(seed))
    return np.frombuffer(bytes.fromhex(digest(content, *about)), np.uint8)


def view_seed(content: str, *, view: int, seed: int) -> int:
    """Return the seed of an augmented view: of its input's content, not of its place in the data."""
    return int(digest("view seed", content, str(view), str(seed))[:15], 16)
