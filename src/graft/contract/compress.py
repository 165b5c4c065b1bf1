"""The course of a compression: apply, re-score on the locked items, measure, and write what kept its promise."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from graft import artifact, evaluation, features
from graft.artifact import Assembled
from graft.backbones import WeightsInfo, sha256_of
from graft.compression import Material, Method
from graft.compression._base import Activations
from graft.contract.card import card
from graft.contract.reopened import Reopened, fitted, reopen
from graft.contract.speed import Speed, race
from graft.contract.suited import suited, tested
from graft.doubt.judging import Doubt
from graft.errors import ContractError, SettingError, must
from graft.evaluation import Paired
from graft.features import Store
from graft.serving import Model
from graft.serving import load as serve
from graft.types import Estimate, Listener, Progress

SAMPLE = 32
"""Test inputs that speed is measured on."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What became of a model: the same test items scored before and after, bytes, and speed."""

    metric: str
    before: Estimate
    after: Estimate
    difference: Estimate
    """Mean item score after less that before, paired, with its 95 % interval."""
    bytes: tuple[int, int]
    """Of the files that loading needs, before and after; 0 until they are written."""
    speed: tuple[Speed, Speed]
    runtimes: tuple[str, str]
    """What ran it while it was timed and scored."""
    fingerprint: str
    """Of the test items."""
    max_drop: float

    @property
    def drop(self) -> float:
        """Points of a hundred that were lost; below 0 it gained."""
        return -100 * self.difference.value

    @property
    def holds(self) -> bool:
        """Whether no more was lost than may be."""
        return self.drop <= self.max_drop + 1e-9

    def to_json(self) -> dict[str, Any]:
        """Return the contract as plain JSON data."""
        sides = {
            side: {
                self.metric: score.to_json(),
                "bytes": self.bytes[number],
                **self.speed[number].to_json(),
                "runtime": self.runtimes[number],
            }
            for number, (side, score) in enumerate((("before", self.before), ("after", self.after)))
        }
        return {
            **sides,
            "difference": self.difference.to_json(),
            "drop_points": self.drop,
            "max_drop": self.max_drop,
            "holds": self.holds,
            "test_fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a person asks of a compression beside the method."""

    max_drop: float = 1.0
    """Points of a hundred of the mean item score that may be lost."""
    force: bool = False
    """Write the model whatever it loses."""
    source: str | Path | None = None
    """Where the data of the fit lie, if no longer where they lay."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.max_drop >= 0:
            raise SettingError(must("--max-drop", "a number of points, 0 or more", self.max_drop, "Take 1.0, say"))


def compress(
    folder: Path, name: str, method: Method, *, out: Path, terms: Terms, listener: Listener
) -> tuple[Model, Kept]:
    """Write the compressed model of a folder to ``out`` and return it with what it kept.

    Raises ContractError, and writes nothing, where it loses more than the terms say on the locked test items, unless
    forced; DataError where those cannot be had; SettingError where the method cannot work on the model.
    """
    artifact.check_target(out)
    before = serve(folder)
    method.check(before.assembled)
    again = reopen(before.manifest, before.assembled.backbone.preprocess, terms.source, listener)
    try:
        made = method.apply(_material(before.assembled, again, terms.seed, listener))
    except RuntimeError as error:
        do = "Take another method"
        raise SettingError(must(f"a network for {name}", "one that it can work on", str(error)[:200], do)) from error
    for note in made.notes:
        listener.say(note)
    home = Path(tempfile.mkdtemp(prefix=".graft-", dir=_existing(out)))
    try:
        # Features of another network are no neighbours of those that were kept.
        alone = artifact.save(home / "model", replace(made.model, exemplars=None))
        drafted = _suited(method, name, before, alone, again, home, listener)
        after = serve(home / "model")
        kept, test, doubt = _scored(before, after, again, terms.max_drop, listener)
        drafted = artifact.save(home / "model", replace(drafted, doubt=doubt))
        kept = replace(kept, bytes=(_size(folder), _size(home / "model")))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if not (kept.holds or terms.force):
        raise ContractError(_broken(name, kept))
    step = {
        "step": "compress",
        "method": name,
        "settings": asdict(method),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "made": dict(made.told),
        "contract": kept.to_json(),
    }
    steps = [*drafted.manifest.get("steps", ()), step]
    final = artifact.put(drafted, {**drafted.manifest, **test, "steps": steps})
    written = artifact.save(out, final, extras=lambda work: _beside(work, folder, final.manifest))
    return Model(written), kept


def _existing(out: Path) -> Path:
    return next(one for one in out.absolute().parents if one.is_dir())


def _material(model: Assembled, again: Reopened, seed: int, listener: Listener) -> Material:
    """Return what a method is given; rows count training and validation items alone."""
    rows = np.sort(np.concatenate([again.train, again.validation]))
    form, beside, head = model.backbone.preprocess, model.beside, model.head
    asked = again.examples(rows)

    def inputs(wanted: np.ndarray) -> list[np.ndarray]:
        return [fitted(form, asked[row]) for row in wanted]

    def logits(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        import torch

        if beside is not None:
            more = []
            for row in wanted:
                content = asked[row].read(in_place=form.in_place)
                decoded = form.part(content, 0, form.parts(content))
                more.append(beside.of(form, asked[row], decoded, form.fit(decoded)))
            found = np.hstack([found, np.stack(more)])
        with torch.inference_mode():
            answer: np.ndarray = head(torch.from_numpy(np.ascontiguousarray(found))).numpy()
        return answer

    return Material(
        model=model,
        train=np.searchsorted(rows, again.train),
        validation=np.searchsorted(rows, again.validation),
        targets=again.targets(model.task, rows),
        inputs=inputs,
        logits=logits,
        activations=_stored(model, again, rows, listener),
        seed=seed,
        progress=listener.progress,
    )


def _stored(model: Assembled, again: Reopened, rows: np.ndarray, listener: Listener) -> Callable[[int], Activations]:
    @cache
    def activations(cut: int) -> Activations:
        backbone = model.backbone
        steps = [one["step"] for one in model.manifest.get("steps", ())]
        if cut > model.cut or "compress" in steps:
            # These stages are no longer the pretrained ones, whose hash the backbone still has.
            sha256 = sha256_of([one.module for one in backbone.stages])
            backbone = replace(backbone, weights=WeightsInfo("tensors", sha256, backbone.weights.licence))
        found = features.extract(
            again.examples(rows), again.hashes(rows), backbone=backbone, cut=cut, store=Store(),
            progress=listener.progress,
        )  # fmt: skip
        return found.activations

    return activations


def _suited(
    method: Method, name: str, before: Model, drafted: Assembled, again: Reopened, home: Path, listener: Listener
) -> Assembled:
    """Return the model with the temperature and the doubts that suit its new answers, and write it."""
    if method.exact:
        return drafted
    temperature, doubt = suited(before, serve(home / "model"), again, name, listener)
    if doubt is None and before.assembled.doubt is not None:
        listener.say("What the model does not know could not be measured again, and is left out. Fit again to have it.")
    changed = replace(drafted, doubt=doubt)
    return artifact.save(home / "model", artifact.put(changed, {**drafted.manifest, "temperature": temperature}))


def _scored(
    before: Model, after: Model, again: Reopened, max_drop: float, listener: Listener
) -> tuple[Kept, dict[str, Any], Doubt | None]:
    """Return what was kept, the metrics of the compressed model as its manifest has them, and its doubts, tested."""
    task, examples = before.assembled.task, again.examples(again.test)
    truth = again.targets(task, again.test)
    sides = (("before", before), ("after", after))
    seen = [model.measured(examples, progress=_named(listener, f"scoring the model {what}")) for what, model in sides]
    answers = [one.logits for one in seen]
    doubt = after.assembled.doubt
    if doubt is not None:
        warmth = float(after.manifest["temperature"])
        doubt = tested(doubt, task, answers[1], seen[1].vectors, truth, warmth)
    scores = [task.item_scores(one, truth) for one in answers]
    paired: Paired = evaluation.paired_test(scores[0], scores[1])
    judged = [
        evaluation.evaluate(
            task, one, truth, temperature=float(model.manifest["temperature"]), fingerprint=again.fingerprint
        )
        for one, model in zip(answers, (before, after), strict=True)
    ]
    metric = task.metrics[0]
    speeds = _timed(before, after, again, listener)
    kept = Kept(
        metric=metric,
        before=judged[0][metric],
        after=judged[1][metric],
        difference=paired.difference,
        bytes=(0, 0),
        speed=(speeds["before"], speeds["after"]),
        runtimes=(_runs(before), _runs(after)),
        fingerprint=again.fingerprint,
        max_drop=max_drop,
    )
    per_class = {
        one.name: {"precision": one.precision.to_json(), "recall": one.recall.to_json(), "support": one.support}
        for one in judged[1].per_class
    }
    return kept, {"test": judged[1].to_json(), "per_class": per_class}, doubt


def _named(listener: Listener, what: str) -> Progress:
    """Return progress under one name."""
    return lambda _, done, total: listener.progress(what, done, total)


def _timed(before: Model, after: Model, again: Reopened, listener: Listener) -> Mapping[str, Speed]:
    form = before.assembled.backbone.preprocess
    inputs = [fitted(form, one) for one in again.examples(again.test[:SAMPLE])]
    alike = [one for one in inputs if one.shape == inputs[0].shape]
    sample = np.stack(alike)
    forms = {
        "before": lambda batch: before.ready(sample[:batch], batch)[0],
        "after": lambda batch: after.ready(sample[:batch], batch)[0],
    }
    return race(forms, sample, progress=listener.progress)


def _runs(model: Model) -> str:
    return f"{model.choice.runtime}:{model.choice.precision}" if model.choice else "torch:float32"


def _size(folder: Path) -> int:
    """Return the bytes of the files that loading needs."""
    return sum((folder / name).stat().st_size for name in artifact.check(folder)["files"])


def _broken(name: str, kept: Kept) -> str:
    low, high = -100 * kept.difference.high, -100 * kept.difference.low
    metric = kept.metric.replace("_", " ")
    got = (
        f"{kept.drop:.2f} [{low:.2f}, {high:.2f}] ({metric} {kept.before.value:.3f} to {kept.after.value:.3f} on the "
        f"same {kept.difference.n} locked items)"
    )
    do = "Nothing was written. Take milder settings by --set, a larger --max-drop, or --force"
    return must(f"The points that {name} loses", f"at most {kept.max_drop:g}", got, do)


def _beside(work: Path, folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the card of a compressed model, and take its recipe along."""
    (work / "README.md").write_text(card(manifest), "utf-8")
    for name in ("recipe.yaml", "set_aside.csv"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, work / name)
