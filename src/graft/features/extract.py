"""The frozen part of a network run once over data: what is stored is taken, what is missing is computed and stored."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graft import runtimes
from graft.backbones import Backbone
from graft.features.activations import StoredActivations
from graft.features.passing import Overflow, Pass
from graft.features.prefix import Prefix
from graft.features.store import Store
from graft.preprocess import Preprocess
from graft.runtimes import Choice
from graft.types import Example, Progress, silent


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """What came of running inputs through the stages before a cut."""

    activations: StoredActivations
    """(n, views, *activation); implements what strategies read."""
    failed: Mapping[int, str]
    """Rows that could not be read or decoded, each with one sentence."""
    perceptual_hashes: np.ndarray | None = None
    """(n,) uint64, 0 for failed rows; None where they were not asked for."""
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    """(n, width) float32 by descriptor, 0 for failed rows, of those that were asked for."""
    choice: Choice | None = None
    """How the network was run, and why; None at cut 0, where there is none to run."""
    device: str = "cpu"
    computed: int = 0
    """Activations computed now."""
    reused: int = 0
    """Activations that were in the store."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """``total``, ``choose`` (runtime chosen and compiled), ``run`` (network and waiting), and ``decode`` (summed over
    threads)."""
    notes: tuple[str, ...] = ()
    """Sentences for the person."""


def extract(  # noqa: PLR0913 - one flat list of what the values depend on, all but two of them by name
    examples: Sequence[Example],
    hashes: Sequence[str],
    *,
    backbone: Backbone,
    cut: int,
    views: int | Sequence[int] | np.ndarray = 1,
    augmentation: str = "none",
    preprocess: Preprocess | None = None,
    store: Store,
    device: str = "auto",
    runtime: str = "auto",
    also: Sequence[str] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> Extraction:
    """Return the activations of ``examples`` at ``cut``, computing only those that the store lacks.

    ``hashes`` are the sha-256 in hex of each input's bytes; bytes that have changed since are reported as failed.
    ``views`` is the number of views of every input, or one number an input: view 0 is plain, the others are augmented,
    each with a seed of its own made of the content's hash, the view's number and ``seed``.
    ``also`` names what else is wanted of view 0: ``perceptual_hash``, or a descriptor that is stored.
    Killed at any moment and called again, it goes on from what was stored, and gives the same bits.
    Raises SettingError for a wrong cut, device or runtime, and StoreError where the store cannot be written; an input
    that cannot be decoded is never fatal.
    """
    if len(examples) != len(hashes):
        raise ValueError(f"{len(examples)} examples, but {len(hashes)} hashes")
    start = time.perf_counter()
    counts = np.broadcast_to(np.asarray(views, np.int64), (len(examples),))
    prefix = Prefix(
        backbone=backbone,
        cut=backbone.check_cut(cut),
        preprocess=preprocess or backbone.preprocess,
        augmentation=augmentation,
        seed=seed,
        store=store,
        device=device,
        runtime=runtime,
    )
    try:
        passed = Pass(prefix, examples, hashes, counts, also, progress).run()
    except Overflow:
        prefix.keep_float32()
        passed = Pass(prefix, examples, hashes, counts, also, progress).run()
    return Extraction(
        activations=StoredActivations(passed.shelf, passed.places),
        failed=passed.failed,
        perceptual_hashes=passed.perceptual_hashes,
        measures=passed.measures,
        choice=passed.choice,
        device=passed.choice.device if passed.choice else runtimes.resolve_device(device),
        computed=passed.computed,
        reused=int(counts.sum()) - passed.computed - passed.lost,
        seconds={**passed.seconds, "total": time.perf_counter() - start},
        notes=(*prefix.notes(), *(passed.choice.notes if passed.choice else ())),
    )
