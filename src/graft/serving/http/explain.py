"""Where a model looked: how much its answer loses when a part of the input is hidden; forward passes alone, no torch.

Source: Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 4.2.
"""

import asyncio
import base64
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image as Picture

from graft.errors import UnreadableInputError
from graft.serving.http.faults import Refused, busy
from graft.serving.http.house import House
from graft.serving.http.served import Input, Outcome, Row, Served, refusal

CELLS = 8
"""Places along each side; what is hidden is two of them wide, so that neighbours share."""
SPANS = 24
"""Places along a sound."""
AT_ONCE = 8
"""Variants that are asked together, so that the requests of others come in between."""
WAITING = 4
"""Explanations that may wait; each takes as long as dozens of answers."""


class Explainer:
    """Explains one input at a time."""

    def __init__(self, house: House) -> None:
        self.house, self.lock, self.waiting = house, asyncio.Lock(), 0

    async def explain(self, served: Served, one: Input) -> dict[str, Any]:
        """Return the answer and what it hangs on, as plain JSON. Raises Refused.

        ``kind`` is ``pieces`` (text and weight each), ``places`` (a grid of weights over ``seen``, the picture that the
        network saw) or ``spans`` (weights along a sound). A weight is by how much the answer's probability, or its
        number, falls when the part is hidden.
        """
        if self.waiting >= WAITING:
            raise busy(2)
        self.waiting += 1
        try:
            async with self.lock:
                return await self._explained(served, one)
        finally:
            self.waiting -= 1

    async def _explained(self, served: Served, one: Input) -> dict[str, Any]:
        whole = await self._asked(served, [one])
        found: dict[str, Any] = {"model": served.name, "version": served.version, **served.answer(whole[0])}
        if one.content is None:
            raise Refused(400, "An input must be given as bytes or text. Got a tensor. Send the file.")
        try:
            pieces = await asyncio.to_thread(served.preprocess.pieces, one.content)
        except UnreadableInputError as error:
            raise Refused(422, str(error)) from None
        if pieces:
            rest = [Input(content, cells=one.cells) for _, content in pieces if content.strip()]
            if len(rest) == len(pieces):
                weights = _losses(served, whole[0], await self._asked(served, rest))
                told = [{"text": text, "weight": weight} for (text, _), weight in zip(pieces, weights, strict=True)]
                return found | {"kind": "pieces", "pieces": told}
            return found | {"kind": "pieces", "pieces": [{"text": text, "weight": 1.0} for text, _ in pieces]}
        row = await asyncio.to_thread(served.fitted, one, 0, served.preprocess.parts(one.content))
        if row.array.ndim < 3:
            return found | await self._spans(served, row)
        return found | await self._places(served, row)

    async def _places(self, served: Served, row: Row) -> dict[str, Any]:
        """Return a grid of weights over the last two axes of a picture (..., height, width)."""
        array, beside = row.array, row.beside
        rows, columns = (min(CELLS, side) for side in array.shape[-2:])
        variants = [Input(array=one, beside=beside) for one in (array, *hidden_places(array, rows, columns))]
        whole, *outcomes = await self._asked(served, variants)
        losses = np.reshape(_losses(served, whole, outcomes), (max(1, rows - 1), max(1, columns - 1)))
        return {
            "kind": "places",
            "weights": [[round(float(one), 5) for one in row] for row in spread(losses, rows, columns)],
            "seen": await asyncio.to_thread(_picture, array),
        }

    async def _spans(self, served: Served, row: Row) -> dict[str, Any]:
        """Return weights along the last axis."""
        array, beside = row.array, row.beside
        count = min(SPANS, array.shape[-1])
        edges = np.linspace(0, array.shape[-1], count + 1).astype(int)
        variants = []
        for start, end in itertools.pairwise(edges):
            one = array.copy()
            one[..., start:end] = array.mean()
            variants.append(Input(array=one, beside=beside))
        whole, *outcomes = await self._asked(served, [Input(array=array, beside=beside), *variants])
        return {"kind": "spans", "weights": _losses(served, whole, outcomes)}

    async def _asked(self, served: Served, inputs: Sequence[Input]) -> list[Outcome]:
        """Return the outcomes of all inputs, a few at a time; they count for no statistics. Raises Refused."""
        found: list[Outcome] = []
        for place in range(0, len(inputs), AT_ONCE):
            some = [replace(one, quiet=True) for one in inputs[place : place + AT_ONCE]]
            for outcome in await self.house.ask(served, some):
                if isinstance(outcome, Exception):
                    raise refusal(outcome)
                found.append(outcome)
        return found


def hidden_places(array: np.ndarray, rows: int, columns: int) -> Iterator[np.ndarray]:
    """Yield an array (..., height, width) with two by two cells of a grid hidden, row by row: its mean in their place.

    There are (rows - 1) * (columns - 1) of them, or one along an axis of a single cell.
    """
    down, across = (
        np.linspace(0, side, n + 1).astype(int) for side, n in zip(array.shape[-2:], (rows, columns), strict=True)
    )
    mean = array.mean(axis=(-2, -1), keepdims=True).astype(array.dtype)
    for row in range(max(1, rows - 1)):
        for column in range(max(1, columns - 1)):
            one = array.copy()
            top, bottom = down[row], down[min(row + 2, rows)]
            left, right = across[column], across[min(column + 2, columns)]
            one[..., top:bottom, left:right] = mean
            yield one


def spread(losses: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return a weight for each cell (rows, columns): the mean of the losses of what hid it."""
    total, count = np.zeros((rows, columns)), np.zeros((rows, columns))
    for row in range(losses.shape[0]):
        for column in range(losses.shape[1]):
            total[row : row + 2, column : column + 2] += losses[row, column]
            count[row : row + 2, column : column + 2] += 1
    return total / np.maximum(count, 1)


def _losses(served: Served, whole: Outcome, outcomes: Sequence[Outcome]) -> list[float]:
    """Return by how much the first answer's own output falls in each of the others."""
    assert whole.answer is not None
    place = int(whole.answer.outputs.argmax())
    told = [one.answer.outputs[place] for one in outcomes if one.answer is not None]
    return [round(float(whole.answer.outputs[place] - one), 5) for one in told]


def _picture(array: np.ndarray) -> str | None:
    """Return what the network saw as a ``data:`` address; of several windows or frames the middle one."""
    while array.ndim > 3:
        array = array[len(array) // 2]
    if array.dtype != np.uint8 or array.shape[0] != 3:
        return None
    out = io.BytesIO()
    Picture.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0))).save(out, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
