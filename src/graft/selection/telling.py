"""What a fit has to tell: the manifest, the report's content and the summary's sentences, from one set of facts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graft import __version__, data
from graft.artifact import seen
from graft.artifact.origin import hardware, peak_rss_bytes, versions
from graft.config import Recipe
from graft.evaluation import LearningCurve, abstaining, evaluate
from graft.evaluation import report as reports
from graft.selection.gather import Gathered
from graft.selection.joining import joined_verdict
from graft.selection.ladder import Climb, Rung, honest, spoken
from graft.selection.pictures import Album
from graft.selection.shipping import Shipped
from graft.types import Estimate, Finding


@dataclass(frozen=True, kw_only=True)
class Told:
    """Everything that is known at the end of a fit."""

    recipe: Recipe
    gathered: Gathered
    climbed: Climb
    shipped: Shipped
    suspects: tuple[Finding, ...]
    curve: LearningCurve | None
    album: Callable[[], Album] | None
    """Gives the report's pictures; None where no report is written."""
    seconds: Mapping[str, float]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the audit found, before and after the probe."""
        return (*self.gathered.findings, *self.suspects)

    def parts(self) -> dict[str, int]:
        """Return the number of examples in each part."""
        parts = self.gathered.parts
        return {"train": len(parts.train), "val": len(parts.val), "test": parts.test.n}

    def resolved(self) -> dict[str, Any]:
        """Return what was asked as it was really done."""
        choice, beside = self.gathered.extraction.choice, self.gathered.beside
        return {
            "backbone": self.gathered.backbone.name,
            "strategy": self.shipped.rung.strategy,
            "cut": self.shipped.rung.cut,
            "device": self.gathered.extraction.device,
            "runtime": choice.to_json() if choice else None,
            "beside": {one.name: one.kind for one in beside.learned.blocks} if beside else {},
            "rungs": {rung.strategy: dict(rung.settings) for rung in self.climbed.rungs},
        }

    def verdict(self) -> list[str]:
        """Return what the ladder says: whether fine-tuning was worth it, and what was not tried."""
        found = [self.climbed.verdict()] if self.recipe.strategy == "auto" else []
        names = self.gathered.beside.named.names if self.gathered.beside else ()
        outdone = self.climbed.outdone()
        found += [outdone] if outdone else []
        return [*found, *joined_verdict(self.climbed, names), *self.climbed.left_out]

    def sentences(self) -> list[str]:
        """Return what a person should read at the end, most important first."""
        found = self.verdict()
        found += [
            f"{spoken(rung.strategy).capitalize()}: {note}" for rung in self.climbed.rungs for note in _notes(rung)
        ]
        if self.curve is not None:
            found.append(self.curve.sentence)
        found += self.doubts()
        kept = self.shipped.assembled.exemplars
        if kept is not None:
            many = f"{len(kept.labels)} training examples" if len(kept.labels) > 1 else "one training example"
            found.append(f"The model keeps {many}, small but readable: whoever has it, or asks its server, sees them.")
        warned = [one for one in self.findings if one.severity != "note"]
        if warned:
            kinds = ", ".join(sorted({one.kind.replace("_", " ") for one in warned}))
            many = f"{len(warned)} findings" if len(warned) > 1 else "one finding"
            found.append(f"The audit has {many} to look at ({kinds}), in the report.")
        return found

    def doubts(self) -> list[str]:
        """Return what is to be said of what the model does not know, and how that did on test data."""
        doubt = self.shipped.assembled.doubt
        if doubt is None:
            return ["The validation data are too few to say what the model does not know."]
        found = [doubt.abstain.sentence()] if doubt.abstain else []
        test = doubt.facts.get("test")
        if test and doubt.abstain and test["error"]["n"]:
            share, error = Estimate(**test["share"]), Estimate(**test["error"])
            found.append(
                f"On test data {round(share.value * share.n)} of {share.n} answers were accepted, and of those "
                f"{100 * error.value:.1f} % [{100 * error.low:.1f}, {100 * error.high:.1f}] were wrong."
            )
        return [*found, str(doubt.facts["sentence"])]

    def manifest(self) -> dict[str, Any]:
        """Return graft.json's content, not sealed yet."""
        gathered, shipped = self.gathered, self.shipped
        scanned = gathered.scanned
        return {
            **shipped.assembled.manifest,
            "graft": __version__,
            "created": _now(),
            "strategy": shipped.rung.strategy,
            "asked": self.recipe.model_dump(),
            "resolved": self.resolved(),
            "data": {
                "source": scanned.source,
                "fingerprint": data.data_fingerprint(scanned.examples, scanned.hashes),
                "test_fingerprint": gathered.parts.test.fingerprint,
                "parts": self.parts(),
                "columns": list(gathered.means.beside.columns),
                "set_aside": len(gathered.set_aside),
                "seen": seen.pack(scanned.hashes[row] for row in gathered.development),
            },
            "test": shipped.test.to_json() if shipped.test else {},
            "per_class": _per_class(shipped),
            "rungs": [rung.to_json() for rung in self.climbed.rungs],
            "sentences": self.sentences(),
            "steps": [{"step": "fit", "strategy": shipped.rung.strategy, "created": _now()}],
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "peak_rss_bytes": peak_rss_bytes(),
            "hardware": hardware(),
            "versions": versions(),
        }

    def report(self, manifest: Mapping[str, Any], recipe: str) -> reports.ReportData:
        """Return the report's content."""
        gathered, shipped = self.gathered, self.shipped
        assert self.album is not None
        album = self.album()
        return reports.ReportData(
            title=Path(self.gathered.scanned.source).name or self.gathered.scanned.source,
            model=self._model(),
            evaluation=shipped.test or self._validation(),
            created=manifest["created"],
            ladder=tuple(_rung(rung) for rung in self.climbed.rungs),
            verdict=" ".join(self.verdict()),
            curve=self.curve,
            doubts=self._doubts(),
            mistakes=album.mistakes,
            alike=album.alike,
            suspects=album.suspects,
            findings=self.findings,
            set_aside=tuple((one.example.source, one.message) for one in gathered.set_aside),
            recipe=recipe,
            data_fingerprint=manifest["data"]["fingerprint"],
            parts=self.parts(),
            seconds=self.seconds,
            hardware=manifest["hardware"],
            versions=manifest["versions"],
            peak_rss_bytes=manifest["peak_rss_bytes"],
        )

    def _doubts(self) -> reports.Doubts | None:
        doubt = self.shipped.assembled.doubt
        if doubt is None:
            return None
        known, promised = doubt.calibration, doubt.abstain
        return reports.Doubts(
            sentences=tuple(self.doubts()),
            curve=abstaining.curve(known.sure, known.right),
            given=promised.accepted / promised.n if promised and promised.accepted else None,
            asked=promised.asked if promised else None,
            auroc={name: Estimate(**one) for name, one in doubt.facts["auroc"].items()},
            score=doubt.likeness.name,
        )

    def _model(self) -> reports.ModelFacts:
        assembled, gathered = self.shipped.assembled, self.gathered
        network, choice = assembled.backbone, gathered.extraction.choice
        trained = sum(p.numel() for one in network.stages[assembled.cut :] for p in one.module.parameters())
        head = sum(p.numel() for p in assembled.head.parameters())
        return reports.ModelFacts(
            backbone=network.name,
            strategy=self.shipped.rung.strategy,
            classes=gathered.task.classes,
            cut=assembled.cut,
            n_stages=network.n_stages,
            parameters=network.parameters() + head,
            trained_parameters=trained + head,
            weights_source=network.weights.source,
            weights_licence=network.weights.licence,
            weights_sha256=network.weights.sha256,
            head=assembled.manifest["head"]["name"],
            task=assembled.manifest["task"]["name"],
            modality=network.preprocess.modality,
            device=gathered.extraction.device,
            runtime=f"{choice.runtime}:{choice.precision}" if choice else "torch",
        )

    def _validation(self) -> Any:
        """Return how the model did on validation data, for a fit that held no test data out."""
        fitted, gathered = self.shipped.rung.fitted, self.gathered
        assert fitted is not None
        logits, rows = honest(fitted, gathered.halves.train, gathered.halves.validation)
        targets = gathered.targets(gathered.development[rows])
        return evaluate(gathered.task, logits, targets, temperature=self.shipped.temperature, seed=self.recipe.seed)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _notes(rung: Rung) -> Sequence[str]:
    return rung.fitted.notes if rung.fitted else ()


def _rung(rung: Rung) -> reports.Rung:
    metric, value = next(iter(rung.validation.items()))
    return reports.Rung(
        strategy=rung.strategy,
        metric=metric,
        validation=value,
        kept=rung.kept,
        p_value=rung.p_value,
        seconds=rung.seconds,
        notes=tuple(_notes(rung)),
        shippable=rung.ships,
        history=rung.fitted.history if rung.fitted else (),
    )


def _per_class(shipped: Shipped) -> dict[str, dict[str, Any]]:
    if shipped.test is None:
        return {}
    return {
        one.name: {"precision": one.precision.to_json(), "recall": one.recall.to_json(), "support": one.support}
        for one in shipped.test.per_class
    }
