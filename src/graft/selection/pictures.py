"""The pictures of a report: the most confident mistakes with their heat maps, near duplicates, suspect labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graft.errors import GraftError
from graft.evaluation.explain import erasure, grad_cam, overlay
from graft.evaluation.report import Alike, Mistake, Suspect
from graft.preprocess import sheet
from graft.selection.gather import Gathered
from graft.selection.shipping import Shipped
from graft.types import Example, Finding

MISTAKES = 12
SETS = 8
SUSPECTS = 12
SIDE = 320
SMALL = 160
"""Longest side of a picture in pixels: a mistake with its heat map, and all others."""


@dataclass(frozen=True)
class Album:
    """What the report shows as pictures."""

    mistakes: tuple[Mistake, ...]
    alike: tuple[Alike, ...]
    suspects: tuple[Suspect, ...]


def album(gathered: Gathered, suspects: Sequence[Finding], wrong: Callable[[], tuple[Mistake, ...]]) -> Album:
    """Return all pictures; an input that cannot be drawn is shown without one.

    ``wrong`` gives the mistakes, and is asked last: they may still be drawn elsewhere.
    """
    by_source = {one.source: one for one in gathered.scanned.examples}
    near = [one for one in gathered.findings if one.kind.startswith("near_duplicate")][:SETS]
    alike = tuple(
        Alike(
            files=one.files,
            message=one.message,
            pictures=_thumbnails(gathered, by_source, one),
            texts=tuple(_text(gathered, by_source[file]) for file in one.files[:4] if file in by_source),
        )
        for one in near
    )
    doubtful = _suspects(gathered, by_source, suspects)
    return Album(wrong(), alike, doubtful)


def mistakes(gathered: Gathered, shipped: Shipped) -> tuple[Mistake, ...]:
    """Return the most confident wrong answers on test data, most confident first."""
    task, rows = gathered.task, shipped.test_rows
    if not len(rows):
        return ()
    worst = task.mistakes(shipped.test_logits, gathered.targets(rows), shipped.temperature, MISTAKES)
    examples = [gathered.scanned.examples[rows[one.row]] for one in worst]
    pictures = [_picture(gathered, one, SIDE) for one in examples]
    said = np.array([one.output for one in worst], np.int64)
    heats = _heats(gathered, shipped, examples, said) if any(pictures) else [None] * len(examples)
    return tuple(
        Mistake(
            source=example.source,
            truth=one.truth,
            said=one.said,
            probability=one.probability,
            picture=picture,
            heat=heat,
            sound=_sound(gathered, example),
            text=_text(gathered, example),
            marks=_marks(shipped, example, one.output),
        )
        for example, one, picture, heat in zip(examples, worst, pictures, heats, strict=True)
    )


def _heats(
    gathered: Gathered, shipped: Shipped, examples: Sequence[Example], said: np.ndarray
) -> Sequence[bytes | None]:
    """Return Grad-CAM laid over what the network saw, for the class that it said; None where there is no map."""
    if not examples or shipped.assembled.beside:
        return [None] * len(examples)
    backbone = shipped.assembled.backbone
    form = backbone.preprocess
    inputs = np.stack([form.fit(form.decode(one.read(in_place=form.in_place))) for one in examples])
    stages = [backbone.normalise, *(stage.module for stage in backbone.stages)]
    windows = backbone.windowed
    if inputs.ndim != 4 + windows:  # what the network saw is no picture
        return [None] * len(examples)
    maps = grad_cam(stages, shipped.assembled.head, inputs, said, windows=windows)
    if maps is None:
        return [None] * len(examples)
    seen = np.moveaxis(inputs, -3, -1)
    if windows:
        seen, maps = (np.stack([sheet(one) for one in each]) for each in (seen, maps))
    return [overlay(one, heat) for one, heat in zip(seen, maps, strict=True)]


def _marks(shipped: Shipped, example: Example, said: int) -> tuple[tuple[str, float], ...]:
    """Return the parts that an input is read in, each with how much it spoke for the answer."""
    assembled = shipped.assembled
    preprocess = assembled.backbone.preprocess
    if assembled.beside:
        return ()
    try:
        content = example.read()
        pieces = preprocess.pieces(content)
        rows = [preprocess.fit(preprocess.decode(one)) for one in (content, *(without for _, without in pieces))]
    except (GraftError, OSError):  # such as a text of one word: without it there is nothing to ask for
        return ()
    if len(rows) < 3:
        return ()
    used = preprocess.stacked(rows)
    stages = [assembled.backbone.normalise, *(stage.module for stage in assembled.backbone.stages)]
    falls = erasure(stages, assembled.head, used[:1], used[1:], said)
    return tuple((piece, float(fall)) for (piece, _), fall in zip(pieces, falls, strict=True))


def _text(gathered: Gathered, example: Example) -> str:
    try:
        return gathered.backbone.preprocess.excerpt(example.read())
    except (GraftError, OSError):
        return ""


def _picture(gathered: Gathered, example: Example, side: int) -> bytes | None:
    try:
        form = gathered.backbone.preprocess
        return form.picture(example.read(in_place=form.in_place), side)
    except (GraftError, OSError):
        return None


def _sound(gathered: Gathered, example: Example) -> bytes | None:
    try:
        form = gathered.backbone.preprocess
        return form.player(example.read(in_place=form.in_place))
    except (GraftError, OSError):
        return None


def _thumbnails(gathered: Gathered, by_source: Mapping[str, Example], finding: Finding) -> tuple[bytes, ...]:
    found = [_picture(gathered, by_source[file], SMALL) for file in finding.files[:4] if file in by_source]
    return tuple(one for one in found if one is not None)


def _suspects(gathered: Gathered, by_source: Mapping[str, Example], findings: Sequence[Finding]) -> tuple[Suspect, ...]:
    """Return the most doubtful labels of the findings, each with its picture."""
    found = [
        (source, *row)
        for one in findings
        for source, *row in zip(
            one.files, one.details["given"], one.details["suggested"], one.details["probability"], strict=True
        )
    ]
    return tuple(
        Suspect(
            source=source,
            label=str(given),
            suggested=str(suggested),
            probability=float(probability),
            picture=_picture(gathered, by_source[source], SMALL) if source in by_source else None,
            sound=_sound(gathered, by_source[source]) if source in by_source else None,
            text=_text(gathered, by_source[source]) if source in by_source else "",
        )
        for source, given, suggested, probability in found[:SUSPECTS]
    )
