"""From what the person named to what a ladder climbs on: examples read, looked over, split, and passed once."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from graft import data, features, runtimes
from graft.backbones import Backbone, averaged
from graft.data import Dataset, Parts, Scanned, SetAside
from graft.data.dataset import grouped, require_classes
from graft.features import Extraction, Store
from graft.fusion import Beside, Named
from graft.heads import Head
from graft.heads.linear import Linear
from graft.preprocess import descriptors
from graft.strategies import Activations, Fitted, Material, Strategy
from graft.tasks import Task
from graft.types import Alike, Example, Finding, Listener, Part

SIMPLE = "simple_features"
HASH = "perceptual_hash"
NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Added:
    """Features beside the network's."""

    named: Named
    """What the person asked for; nothing where they are the simple features of the ladder."""
    learned: Beside
    values: np.ndarray
    """(n, width) float32, one row an example."""


@dataclass(frozen=True)
class Rows:
    """Some rows of stored activations, renumbered from 0."""

    source: Activations
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, views, *activation)."""
        return (len(self.rows), *self.source.shape[1:])

    def read(self, rows: np.ndarray, views: np.ndarray | int = 0) -> np.ndarray:
        """Return activations as ``Activations.read`` does."""
        return self.source.read(self.rows[rows], views)


@dataclass(frozen=True)
class Matrix:
    """Features that lie in memory, as activations of one view."""

    values: np.ndarray
    """(n, features) float32."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, 1, features)."""
        return (len(self.values), 1, *self.values.shape[1:])

    def read(self, rows: np.ndarray, views: np.ndarray | int = 0) -> np.ndarray:
        """Return the rows; there is only view 0."""
        found: np.ndarray = self.values[rows]
        return found


@dataclass(frozen=True)
class Joined:
    """Two kinds of features of the same inputs as one; joined as they are read, since all at once are a large table."""

    first: Activations
    second: Activations

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, 1, features of both)."""
        return (self.first.shape[0], 1, self.first.shape[2] + self.second.shape[2])

    def read(self, rows: np.ndarray, views: np.ndarray | int = 0) -> np.ndarray:
        """Return the rows, the first kind's features before the second's."""
        return np.hstack([self.first.read(rows, views), self.second.read(rows, views)])


@dataclass(frozen=True)
class Halves:
    """Training and validation rows, numbered within the development rows."""

    train: np.ndarray
    validation: np.ndarray

    @property
    def both(self) -> np.ndarray:
        """Training rows, then validation rows: the order of out-of-fold logits."""
        return np.concatenate([self.train, self.validation])


@dataclass(frozen=True, kw_only=True)
class Means:
    """What every extraction of a fit shares."""

    store: Store
    device: str
    runtime: str
    augmentation: str
    seed: int
    class_weights: bool
    simple: bool
    """Whether features without a network are wanted too."""
    beside: Named
    """Features that the person wants beside the network's."""
    listener: Listener
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the preprocessing that hold whatever the inputs are."""


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Examples that can be used, their parts and their features; rows of all arrays agree."""

    scanned: Scanned
    parts: Parts
    task: Task
    backbone: Backbone
    head: Head
    extraction: Extraction
    top: Activations
    """View 0 at the last cut, one row an example."""
    beside: Added | None
    """What a joined probe has beside it."""
    means: Means
    audited: tuple[Finding, ...]
    alike: "Future[tuple[Finding, ...]]"
    """Near duplicates: every pair is compared, which takes as long as fitting a probe, beside which it is done."""
    set_aside: tuple[SetAside, ...]
    seconds: Mapping[str, float]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the audit found; waits for the near duplicates."""
        return (*self.audited, *self.alike.result())

    @property
    def development(self) -> np.ndarray:
        """Rows for training and validation, sorted."""
        return np.sort(np.concatenate([self.parts.train, self.parts.val]))

    @property
    def halves(self) -> Halves:
        """Training and validation rows within ``development``."""
        rows = self.development
        return Halves(np.searchsorted(rows, self.parts.train), np.searchsorted(rows, self.parts.val))

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Return the targets of rows."""
        return self.task.targets(self.labels(rows))

    def labels(self, rows: np.ndarray) -> list[str | None]:
        """Return the labels of rows."""
        return [self.scanned.examples[row].label for row in rows]

    def examples(self, rows: np.ndarray) -> tuple[list[Example], list[str]]:
        """Return the examples of rows and their content hashes."""
        return [self.scanned.examples[row] for row in rows], [self.scanned.hashes[row] for row in rows]

    @cached_property
    def short(self) -> Backbone:
        """The backbone behind inputs with no more padding than these need: all of it would be stored and trained on."""
        own = self.backbone.preprocess
        if not own.open_axes:
            return self.backbone
        fitting = own.shortened(one.read(in_place=own.in_place) for one in self.scanned.examples)
        if fitting != own:
            few, full = (
                " windows of ".join(map(str, one.shape[: 1 + self.backbone.windowed])) for one in (fitting, own)
            )
            many = f"{few} tokens an input, as many as the longest has, instead of {full}"
            self.means.listener.say(f"What is stored below the top has {many}")
        return self.backbone.given(fitting)

    def at(self, cut: int, views: int, rows: np.ndarray, what: str) -> Activations:
        """Return stored activations of rows at a cut; what is not stored yet is computed now."""
        if cut == self.backbone.n_stages and views == 1:
            return Rows(self.top, rows)
        backbone = self.backbone if cut == self.backbone.n_stages else self.short
        examples, hashes = self.examples(rows)
        means = self.means
        # Only what is trained on is read in other views than the plain one; heads alone also fit validation rows.
        fitted = np.isin(rows, self.parts.train) | ((cut == self.backbone.n_stages) & np.isin(rows, self.parts.val))
        counts = np.where(fitted, views, 1)
        found = features.extract(
            examples,
            hashes,
            backbone=backbone,
            cut=cut,
            views=counts,
            augmentation=means.augmentation if views > 1 else "none",
            store=means.store,
            device=means.device,
            runtime=means.runtime,
            seed=means.seed,
            progress=lambda _, done, total: means.listener.progress(what, done, total),
        )
        return found.activations

    def spoilt(self, cut: int, rows: np.ndarray, way: str) -> Activations:
        """Return stored activations of rows at a cut: view 0 plain, view 1 spoilt by the augmentation ``way``."""
        examples, hashes = self.examples(rows)
        means = self.means
        found = features.extract(
            examples,
            hashes,
            backbone=self.backbone if cut == self.backbone.n_stages else self.short,
            cut=cut,
            views=2,
            augmentation=way,
            store=means.store,
            device=means.device,
            runtime=means.runtime,
            seed=means.seed,
            progress=lambda _, done, total: means.listener.progress("what the model knows", done, total),
        )
        return found.activations

    def material(self, strategy: Strategy, name: str, probe: Fitted | None, **more: Any) -> Material:
        """Return what a strategy is given, with its activations brought to its cut."""
        rows = self.development
        cut = strategy.cut(self.backbone)
        activations = more.pop("activations", None)
        targets, halves = self.targets(rows), self.halves
        return Material(
            backbone=self.backbone,
            head=Linear() if strategy.linear else self.head,
            task=self.task,
            activations=activations or self.at(cut, strategy.n_views, rows, f"{name}: {strategy.n_views} views"),
            targets=targets,
            train=halves.train,
            validation=halves.validation,
            units=self.parts.units[rows],
            class_weights=balanced(targets, self.task.outputs) if self.means.class_weights else None,
            probe=probe,
            seed=self.means.seed,
            device=self.extraction.device,
            progress=self.means.listener.progress,
            **more,
        )


def balanced(targets: np.ndarray, outputs: int) -> np.ndarray:
    """Return weights (outputs,) float32 with which every class counts the same; their mean over items is 1."""
    counts = np.bincount(targets, minlength=outputs)
    weights: np.ndarray = (len(targets) / (outputs * np.maximum(counts, 1))).astype(np.float32)
    return weights


def gather(
    dataset: Dataset, backbone: Backbone, head: Head, task: Task, shares: tuple[float, float, float], means: Means
) -> Gathered:
    """Read, inspect, pass once and split; what cannot be used is set aside with its reason.

    ``backbone`` is whole: what the head takes of it is known when the inputs have been seen. ``task`` has its settings
    and has seen no labels. Raises DataError where fewer than two classes are left, SettingError for a head that does
    not fit.
    """
    for note in dataset.notes:
        means.listener.say(note)
    start = time.perf_counter()
    form = backbone.preprocess
    scanned = data.scan(dataset, form.inspect, in_place=form.in_place, progress=means.listener.progress)
    settled = form.settled([one.shape for one in scanned.facts]).chosen(means.preprocess)
    backbone = backbone.given(settled).ending_in(head.takes)
    looked = time.perf_counter()
    extraction = features.extract(
        scanned.examples,
        scanned.hashes,
        backbone=backbone,
        cut=backbone.n_stages,
        store=means.store,
        device=means.device,
        runtime=means.runtime,
        also=wanted(means),
        seed=means.seed,
        progress=means.listener.progress,
    )
    passed = time.perf_counter()
    scanned, kept = without_failed(scanned, extraction.failed)
    parts = data.split(scanned.examples, scanned.hashes, shares=shares, seed=means.seed, form=scanned.form)
    task = task.taught([scanned.examples[row].label for row in parts.train])
    top = Rows(extraction.activations, kept)
    measures = {name: values[kept] for name, values in extraction.measures.items()}
    beside = added(scanned, backbone, top, measures, parts.train, means)
    hashes = _rows(extraction.perceptual_hashes, kept)
    assert hashes is not None
    known = [scanned.examples[row] for row in np.concatenate([parts.train, parts.val])]
    telling = data.telling_columns(known, scanned.form)
    vectors = averaged(top.read(np.arange(len(scanned.examples))))
    alike = runtimes.beside(near, scanned, parts.of, vectors, hashes, form.alike)
    seconds = {
        "reading": looked - start,
        "extraction": passed - looked,
        "audit": time.perf_counter() - passed,
    }
    return Gathered(
        scanned=scanned,
        parts=parts,
        task=task,
        backbone=backbone,
        head=head,
        extraction=replace(extraction, measures=measures),
        top=top,
        beside=beside,
        means=means,
        audited=(*data.audit(scanned, parts), *telling),
        alike=alike,
        set_aside=scanned.set_aside,
        seconds=seconds,
    )


def wanted(means: Means) -> tuple[str, ...]:
    """Return what the pass is to bring beside activations."""
    stored = [one for one in means.beside.descriptors if descriptors.named(one).stored]
    return tuple(dict.fromkeys((HASH, *((SIMPLE,) if means.simple else ()), *stored)))


def added(
    scanned: Scanned,
    backbone: Backbone,
    top: Activations,
    measures: Mapping[str, Sequence[np.ndarray]],
    train: np.ndarray,
    means: Means,
) -> Added | None:
    """Return what stands beside the network's features: what was named, else the ladder's simple ones.

    Only training rows have a say in it. Raises DataError for a column that cannot be used.
    """
    asked = means.beside
    if len(top.shape) != 3 or not (asked or means.simple):
        return None
    form = backbone.preprocess
    named = asked or Named(descriptors=(SIMPLE,))
    found = dict(measures)
    for name in named.descriptors:
        if name not in found:
            one = descriptors.named(name)
            contents = (example.read(in_place=form.in_place) for example in scanned.examples)
            found[name] = [one.measure(form, form.decode(content), NOTHING) for content in contents]
    length = float(top.read(train).std(axis=0, dtype=np.float64).sum()) if asked else None
    cells = [one.columns for one in scanned.examples]
    learned, values = Beside.learn(named, cells, found, train, length=length, seed=means.seed)
    return Added(asked, learned, values)


def _rows(values: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[rows]


def without_failed(scanned: Scanned, failed: Mapping[int, str]) -> tuple[Scanned, np.ndarray]:
    """Return what could be decoded, and its row numbers; the rest is set aside with its reason.

    Raises DataError where fewer than two classes are left.
    """
    kept = np.array([row for row in range(len(scanned.examples)) if row not in failed], np.int64)
    if not failed:
        return scanned, kept
    bad = [SetAside(scanned.examples[row], "unreadable", why) for row, why in sorted(failed.items())]
    left = replace(
        scanned,
        examples=tuple(scanned.examples[row] for row in kept),
        hashes=tuple(scanned.hashes[row] for row in kept),
        facts=tuple(scanned.facts[row] for row in kept),
        findings=(*scanned.findings, *grouped(bad)),
        set_aside=(*scanned.set_aside, *bad),
    )
    require_classes(left.examples, left.set_aside, 2, left.source, left.form)
    return left, kept


def near(
    scanned: Scanned, parts: Sequence[Part | None], vectors: np.ndarray, hashes: np.ndarray, alike: Alike
) -> tuple[Finding, ...]:
    """Return near duplicates within and across parts, by embedding (n, features) and by perceptual hash."""
    sources = [one.source for one in scanned.examples]
    # Two pictures of one scene may well have two numbers: that is no contradiction.
    labels = [None if scanned.form == "number" else one.label for one in scanned.examples]
    return data.near_duplicates(
        vectors, hashes, parts, sources, labels, contents=scanned.hashes, alike=alike, rough=runtimes.rough_products
    )
