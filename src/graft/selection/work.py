"""The course of a fit: gather, climb, ship, learn from the data, and write what belongs beside the model."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from graft import backbones, data, fusion, preprocess, runtimes, tasks
from graft.backbones import Backbone
from graft.config import Recipe
from graft.data import Dataset
from graft.errors import DataError, SettingError, must
from graft.evaluation import card
from graft.evaluation import report as reports
from graft.features import Store
from graft.fusion import Named
from graft.selection.doubting import doubts
from graft.selection.gather import Gathered, Means, gather
from graft.selection.journal import Journal
from graft.selection.keeping import keeping
from graft.selection.ladder import Climb, Rung, climb, spoken
from graft.selection.lessons import learn
from graft.selection.pictures import album, mistakes
from graft.selection.rungs import Budget, steps
from graft.selection.settings import Plan, under
from graft.selection.shipping import doubting, examined, ship
from graft.selection.telling import Told
from graft.types import Finding, Listener, digest


def read(source: str | Path, recipe: Recipe) -> Dataset:
    """Return the labelled examples of a source, read as a recipe says. Raises DataError."""
    return data.read(
        source,
        input_column=recipe.input_column,
        label_column=recipe.label_column,
        group_column=recipe.group_column,
        kept_columns=recipe.beside,
        reader=recipe.reader,
        form=tasks.REGISTRY.get(recipe.task).form,
    )


def network(recipe: Recipe, modality: str) -> Backbone:
    """Return the whole backbone of a recipe. Raises UnknownNameError, WeightsError, SettingError."""
    name = recipe.backbone if recipe.backbone != "auto" else backbones.DEFAULT[modality]
    found = backbones.load(name, weights=recipe.weights, seed=recipe.seed)
    taking = preprocess.REGISTRY.get(modality).taking(found.preprocess)
    return found.given(taking.limited(max_pixels=recipe.max_pixels).chosen(under("preprocess", recipe.settings)))


def look(recipe: Recipe, plan: Plan, dataset: Dataset, backbone: Backbone, listener: Listener) -> Gathered:
    """Return the data of a recipe, read, split, passed once and audited."""
    means = Means(
        store=Store(),
        device=recipe.device,
        runtime=recipe.runtime,
        augmentation=recipe.augment,
        seed=recipe.seed,
        class_weights=recipe.class_weights == "balanced",
        simple=recipe.strategy == "auto",
        preprocess=under("preprocess", recipe.settings),
        beside=beside(recipe, plan, dataset),
        listener=listener,
    )
    if means.class_weights and plan.task.form != "class":
        do = "Leave it out; only the classes of a classification can be weighed"
        raise SettingError(must("class_weights", f"none with the task {recipe.task}", "'balanced'", do))
    if recipe.abstain is not None and plan.task.form != "class":
        do = "Leave it out; whether an input is unlike the training data is told all the same"
        raise SettingError(must("abstain", f"left out with the task {recipe.task}", recipe.abstain, do))
    held = recipe.val_share + recipe.test_share
    if held >= 1:
        do = "Lower val_share or test_share"
        raise SettingError(must("val_share + test_share", "below 1", held, do))
    return gather(dataset, backbone, plan.head, plan.task, recipe.shares, means)


def beside(recipe: Recipe, plan: Plan, dataset: Dataset) -> Named:
    """Return what a recipe wants beside the network's features. Raises SettingError, UnknownNameError."""
    if recipe.beside and (recipe.strategy not in ("auto", "linear_probe") or plan.head.takes != "vector"):
        got = f"the strategy {recipe.strategy} and the head {recipe.head}"
        do = "Take auto or linear_probe, or leave --with out (beside in Python)"
        raise SettingError(must("What is joined by --with", "a probe: a linear head on features", got, do))
    return fusion.named(recipe.beside, dataset.columns, dataset.modality)


@runtimes.keeping_ready()
def work(
    recipe: Recipe, plan: Plan, dataset: Dataset, backbone: Backbone, listener: Listener, start: float, *, lessons: bool
) -> tuple[Told, Journal]:
    """Do the whole of a fit and return what is known at its end; ``start`` is on the clock of ``perf_counter``.

    ``lessons`` asks for what the features say of the data: suspect labels, and whether more labels would help.
    """
    deadline = time.monotonic() + recipe.budget - (time.perf_counter() - start)
    loaded = time.perf_counter()
    gathered = look(recipe, plan, dataset, backbone, listener)
    if not len(gathered.parts.val):
        got = f"none, and {len(gathered.parts.train)} to train on"
        do = "Add examples, three different ones a class at least, or give them in a folder val/"
        raise DataError(must("The validation part", "at least one example", got, do))
    heard = cache(lambda: tell(gathered.findings, listener))

    def tried(rung: Rung) -> None:
        # The audit is read first, but need not be waited for before the first rung is done.
        heard()
        announce(rung, journal, listener)

    with Journal(gathered.means.store.root, *identity(recipe, gathered)) as journal, runtimes.blas_on_one_thread():
        begun = time.perf_counter()
        budget = Budget(deadline=deadline, whole=recipe.budget, folder=journal.folder, on_epoch=journal.epoch)
        climbed = climb(
            steps(gathered, plan, budget, ladder=recipe.strategy == "auto"),
            forced=None if recipe.strategy == "auto" else recipe.strategy,
            seed=recipe.seed,
            announce=tried,
        )
        chosen = time.perf_counter()
        shipped = ship(gathered, climbed, plan)
        wrong = runtimes.beside(mistakes, gathered, shipped) if lessons else None
        learned = runtimes.beside(learn, gathered, climbed, shipped.temperature, recipe.seed) if lessons else None
        shipped = examined(gathered, shipped, recipe.seed)
        weighed = time.perf_counter()
        shipped = doubting(shipped, doubts(gathered, shipped, recipe.abstain, recipe.seed))
        shipped = keeping(shipped, gathered, recipe.keep_examples, recipe.seed)
        if shipped.test is not None:
            journal.scores(shipped.rung.strategy, shipped.test.metrics, "test")
        judged = time.perf_counter()
        doubted, curve = learned.result() if learned else ((), None)
        told = Told(
            recipe=recipe,
            gathered=gathered,
            climbed=climbed,
            shipped=shipped,
            suspects=doubted,
            curve=curve,
            album=partial(album, gathered, doubted, wrong.result) if wrong else None,
            seconds={},
        )
        seconds = {
            "loading": loaded - start,
            **gathered.seconds,
            "ladder": chosen - begun,
            "test": weighed - chosen,
            "doubts": judged - weighed,
            "lessons": time.perf_counter() - judged,
            "total": time.perf_counter() - start,
        }
        return replace(told, seconds=seconds), journal


def tell(findings: Sequence[Finding], listener: Listener) -> None:
    """Say what the audit found, one sentence a kind."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.severity != "note":
            kinds.setdefault(finding.kind, []).append(finding)
    for kind, found in kinds.items():
        more = f" And {len(found) - 1} more of the kind, in the report." if len(found) > 1 else ""
        listener.say(f"{spoken(kind).capitalize()}: {found[0].message}{more}")


def identity(recipe: Recipe, gathered: Gathered) -> tuple[str, ...]:
    """Return what makes a fit the same fit: its recipe, its data and its weights."""
    scanned = gathered.scanned
    return (
        recipe.to_yaml(budget=0),
        data.data_fingerprint(scanned.examples, scanned.hashes),
        gathered.beside.learned.fingerprint if gathered.beside else "",
        digest(*(part or "" for part in gathered.parts.of)),
        gathered.backbone.weights.sha256,
    )


def announce(rung: Rung, journal: Journal, listener: Listener) -> None:
    """Tell of a rung that was tried: its score, whether it was kept, and what it noticed."""
    name, value = next(iter(rung.validation.items()))
    against = "" if rung.p_value is None else f", against {rung.against} p = {rung.p_value:.3g}"
    kept = "kept" if rung.kept else "not kept"
    listener.say(f"{rung.strategy}: {name.replace('_', ' ')} {value}{against}, {kept}, {rung.seconds:.1f} s")
    journal.scores(rung.strategy, rung.validation, "validation")


def write_beside(folder: Path, told: Told, manifest: Mapping[str, Any], journal: Journal) -> None:
    """Write the report, the model card, the recipe, what was set aside and the events into a model folder."""
    recipe = told.recipe.to_yaml(**{"resolved": manifest["resolved"]})
    (folder / "recipe.yaml").write_text(recipe, "utf-8")
    # First, since the pictures of the mistakes may still be drawn.
    reports.prepare()
    content = told.report(manifest, recipe)
    (folder / "report.html").write_text(reports.render(content), "utf-8")
    (folder / "README.md").write_text(card.model_card(content), "utf-8")
    data.write_set_aside(folder / "set_aside.csv", told.gathered.set_aside)
    journal.copy_events(folder)


__all__ = ["Climb", "look", "network", "read", "work", "write_beside"]
