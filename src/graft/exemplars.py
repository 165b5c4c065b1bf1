"""Training examples that a model keeps to be shown beside its answers: features, labels, thumbnails; numpy alone.

``exemplars.safetensors`` holds ``vectors`` (n, d) float16 of length 1, ``pictures`` (bytes of all thumbnails, one after
another) and ``ends`` (n,) int64, where each ends. Labels and excerpts stand in its metadata as JSON. No name or path of
an input is in it.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from graft.arrays import opened, unit
from graft.errors import ArtifactError, must

NAME = "exemplars.safetensors"
FORMAT = 1
MOST = 2000
"""Examples that a model can keep."""
SIDE = 96
"""Longest side of a thumbnail in pixels."""
LETTERS = 160
"""Of a text."""
HEAVY = 16_384
"""Bytes from which on a thumbnail is left out, so that the file stays small."""
KINDS = {b"RI": "image/webp", b"\xff\xd8": "image/jpeg"}
"""What thumbnails are, by their first two bytes."""


@dataclass(frozen=True)
class Exemplars:
    """Examples of the training part of the data."""

    vectors: np.ndarray
    """(n, d) float16: the network's features, of length 1."""
    labels: tuple[str, ...]
    """As the data had them."""
    pictures: tuple[bytes, ...]
    """Thumbnails; empty where there is none."""
    texts: tuple[str, ...]
    """The beginning of each text; empty where it is no text."""

    @classmethod
    def of(
        cls, vectors: np.ndarray, labels: Sequence[str], pictures: Sequence[bytes], texts: Sequence[str]
    ) -> "Exemplars":
        """Return examples with features (n, d) of any length, thumbnails and texts made no larger than allowed."""
        light = tuple(one if len(one) <= HEAVY else b"" for one in pictures)
        short = tuple(one if len(one) <= LETTERS else f"{one[: LETTERS - 1]}…" for one in texts)
        return cls(unit(vectors.astype(np.float32)).astype(np.float16), tuple(labels), light, short)

    def nearest(self, features: np.ndarray, count: int) -> list[dict[str, Any]]:
        """Return the ``count`` examples most like features (width,), the nearest first, as plain JSON data.

        Features behind the first d, which stand beside the network's, are passed over.
        """
        width = self.vectors.shape[1]
        cosines = self._wide @ unit(features[None, :width].astype(np.float32))[0]
        return [self._told(row, float(cosines[row])) for row in np.argsort(-cosines, kind="stable")[:count].tolist()]

    @cached_property
    def _wide(self) -> np.ndarray:
        # Widening all of them for each request takes longer than comparing them.
        return self.vectors.astype(np.float32)

    def _told(self, row: int, cosine: float) -> dict[str, Any]:
        found: dict[str, Any] = {"label": self.labels[row], "cosine": round(min(1.0, cosine), 4)}
        if self.texts[row]:
            found["excerpt"] = self.texts[row]
        kind = KINDS.get(self.pictures[row][:2])
        if kind is not None:
            found["thumbnail"] = f"data:{kind};base64,{base64.b64encode(self.pictures[row]).decode()}"
        return found


def told(kept: Exemplars) -> dict[str, Any]:
    """Return what graft.json says of them."""
    return {
        "n": len(kept.labels),
        "thumbnails": sum(map(bool, kept.pictures)),
        "excerpts": sum(map(bool, kept.texts)),
    }


def write(file: Path, kept: Exemplars) -> Path:
    """Write them to a file and return its path."""
    arrays = {
        "vectors": np.ascontiguousarray(kept.vectors),
        "pictures": np.frombuffer(b"".join(kept.pictures), np.uint8),
        "ends": np.cumsum([len(one) for one in kept.pictures], dtype=np.int64),
    }
    plain = {"format": FORMAT, "labels": kept.labels, "texts": kept.texts}
    save_file(arrays, file, {"exemplars": json.dumps(plain, ensure_ascii=False)})
    file.chmod(0o644)
    return file


def read(file: Path) -> Exemplars:
    """Return what a file holds. Raises ArtifactError where it is none, of a newer format, or not whole."""
    do = "Restore it from where it came, or fit again"
    plain, arrays = opened(file, "exemplars", FORMAT, name=file.name, what="a safetensors file of examples", do=do)
    try:
        return _whole(plain, arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtifactError(must(file.name, "whole", f"a part of it ({error})", do)) from None


def _whole(plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Exemplars:
    """Return the examples. Raises KeyError, TypeError, ValueError, IndexError where parts do not fit together."""
    content, ends = arrays["pictures"].tobytes(), arrays["ends"].tolist()
    pictures = tuple(content[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True))
    labels, texts = tuple(map(str, plain["labels"])), tuple(map(str, plain["texts"]))
    if not len(arrays["vectors"]) == len(labels) == len(texts) == len(pictures):
        raise ValueError("numbers of rows differ")
    if arrays["vectors"].ndim != 2 or not np.isfinite(arrays["vectors"]).all():
        raise ValueError("features are no vectors")
    return Exemplars(arrays["vectors"], labels, pictures, texts)
