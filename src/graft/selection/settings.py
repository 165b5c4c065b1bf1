"""Which plug-in each setting of a recipe is meant for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeVar

from graft import heads, strategies, tasks
from graft.backbones import Backbone
from graft.config import Recipe
from graft.errors import GraftError, SettingError, must, unknown_name
from graft.heads import Head
from graft.strategies import Strategy
from graft.tasks import Task
from graft.tasks.classification import Classification
from graft.types import LabelForm

T = TypeVar("T")
LIST_TASKS = "graft list tasks --settings"
FLAGS = {"from_stage": "cut"}
"""Settings of strategies that a recipe calls by another name."""


@dataclass(frozen=True)
class Plan:
    """The plug-ins of a fit with their settings."""

    strategies: tuple[tuple[str, Strategy], ...]
    """In the order in which they are tried."""
    head: Head
    start: str
    """The rung whose head fine-tuning starts from."""
    task: Task = field(default_factory=Classification)
    """With its settings; it has not seen labels yet."""


def plan(strategy: str, head: str, settings: Mapping[str, Any], task: str = "classification", **shared: object) -> Plan:
    """Return the plug-ins for a recipe; ``shared`` (views, from_stage) goes to every strategy that has such a setting.

    ``auto`` plans the whole ladder. A single strategy is planned with the rungs that it starts from.
    Raises SettingError with all that is wrong, UnknownNameError for an unknown strategy, head or task.
    """
    form = tasks.REGISTRY.get(task).form
    _refuse(strategy, head, task)
    chosen = rungs(strategy, heads.REGISTRY.get(head), form)
    known = {name: {one.name for one in strategies.REGISTRY.settings(name)} for name in chosen}
    own: dict[str, dict[str, Any]] = {name: {} for name in chosen}
    faults: list[str] = []
    made = _tried(lambda: heads.REGISTRY.create(head, under("head", settings)), faults)
    taught = _tried(lambda: _task(task, under("task", settings)), faults)
    for key, value in settings.items():
        first, _, rest = key.partition(".")
        if first in ("head", "task", "preprocess") and rest:
            continue
        if first in own and rest:
            own[first][rest] = value
        else:
            takers = [name for name in chosen if any(_meant(key, one) for one in known[name])]
            for name in takers:
                own[name].setdefault(key, value)
            if not takers:
                names = {one for every in known.values() for one in every}
                names.update(get_close_matches(key, Recipe.model_fields, n=1))
                faults.append(str(unknown_name("a setting", key, names, "graft list strategies --settings")))
    for key, value in shared.items():
        takers = [name for name in chosen if key in known[name]]
        # A probe that other rungs start from is fitted on plain inputs, whatever views those are trained on.
        takers = [name for name in takers if not strategies.REGISTRY.get(name).linear or name == strategy]
        if value is not None and not takers:
            do = "Leave it out, or take a strategy that has it, such as partial"
            faults.append(must(FLAGS.get(key, key), f"left out with the strategy {strategy}", value, do))
        for name in takers if value is not None else ():
            own[name].setdefault(key, value)
    built = [(name, _tried(partial(strategies.REGISTRY.create, name, own[name]), faults)) for name in chosen]
    if faults or made is None or taught is None:
        raise SettingError("\n".join(dict.fromkeys(faults)))
    return Plan(tuple((name, one) for name, one in built if one is not None), made, start(made), taught)


def under(first: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that begin with a name and a dot, without it."""
    return {key.partition(".")[2]: value for key, value in settings.items() if key.startswith(f"{first}.")}


def _tried(make: Callable[[], T], faults: list[str]) -> T | None:
    """Return what is made, or None with the fault noted."""
    try:
        return make()
    except GraftError as error:
        faults.append(str(error))
        return None


def _task(name: str, settings: Mapping[str, Any]) -> Task:
    """Return the task with its settings. Raises UnknownNameError for a field that is learned, SettingError."""
    known = tasks.REGISTRY.get(name).settings
    for key, value in settings.items():
        if not known:
            raise SettingError(must(f"task.{key}", f"left out with the task {name}", repr(value), "It has no settings"))
        if key not in known:
            raise unknown_name(f"a setting of the task {name}", key, known, LIST_TASKS)
    return tasks.REGISTRY.create(name, settings)


def _refuse(strategy: str, head: str, task: str) -> None:
    """Raise SettingError for a strategy that nobody can want, alone, with that head or for that task."""
    if strategy == "auto":
        return
    kind = strategies.REGISTRY.get(strategy)
    if not kind.learns:
        do = "Take nearest_mean or linear_probe; auto shows this one as the floor"
        raise SettingError(must("strategy", "one that learns something", repr(strategy), do))
    if tasks.REGISTRY.get(task).form not in kind.forms:
        do = "Take linear_probe, or auto, which tries what fits"
        raise SettingError(must("strategy", f"one that can learn {task}", repr(strategy), do))
    if kind.linear and not heads.REGISTRY.get(head).convex:
        do = "Take the strategy frozen_head, which trains any head, or leave the head out"
        raise SettingError(must("head", f"linear with the strategy {strategy}", repr(head), do))


def check(chosen: Plan, backbone: Backbone, augmentation: str) -> None:
    """Raise SettingError where a head or strategy does not fit the backbone, or there is no such augmentation."""
    if not backbone.preprocess.settles:
        backbone = backbone.ending_in(chosen.head.takes)
    for _, strategy in chosen.strategies:
        strategy.cut(backbone)
    backbone.preprocess.check_augmentation(augmentation)


def _meant(key: str, setting: str) -> bool:
    return key == setting or setting.startswith(f"{key}.")


def rungs(strategy: str, head: type[Head], form: LabelForm = "class") -> Sequence[str]:
    """Return the names of the rungs for a strategy: the ladder, or the strategy after the rung that it starts from."""
    known = {name: strategies.REGISTRY.get(name) for name in strategies.REGISTRY.names()}
    if strategy != "auto":
        return [start(head), strategy] if known[strategy].continues else [strategy]
    # A convex head needs no training by steps; a head that takes a map leaves linear rungs without their vectors.
    passed_over = {"frozen_head"} if head.convex else set()
    if head.takes != "vector":
        passed_over = {name for name, one in known.items() if one.linear and one.learns}
    passed_over |= {name for name, one in known.items() if form not in one.forms}
    places = {name: one.rung for name, one in known.items() if one.rung is not None and name not in passed_over}
    return sorted(places, key=lambda name: places[name])


def start(head: Head | type[Head]) -> str:
    """Return the rung whose head fine-tuning starts from."""
    return "linear_probe" if head.convex else "frozen_head"
