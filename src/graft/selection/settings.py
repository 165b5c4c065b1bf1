"""Which plug-in each setting of a recipe is meant for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from graft import heads, strategies
from graft.backbones import Backbone
from graft.config import Recipe
from graft.errors import GraftError, SettingError, must, unknown_name
from graft.heads import Head
from graft.strategies import Strategy

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


def plan(strategy: str, head: str, settings: Mapping[str, Any], **shared: object) -> Plan:
    """Return the plug-ins for a recipe; ``shared`` (views, from_stage) goes to every strategy that has such a setting.

    ``auto`` plans the whole ladder. A single strategy is planned with the rungs that it starts from.
    Raises SettingError with all that is wrong, UnknownNameError for an unknown strategy or head.
    """
    _refuse(strategy, head)
    chosen = rungs(strategy, heads.REGISTRY.get(head))
    known = {name: {one.name for one in strategies.REGISTRY.settings(name)} for name in chosen}
    own: dict[str, dict[str, Any]] = {name: {} for name in chosen}
    for_head: dict[str, Any] = {}
    faults: list[str] = []
    for key, value in settings.items():
        first, _, rest = key.partition(".")
        if first == "head" and rest:
            for_head[rest] = value
        elif first in own and rest:
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
    built: list[tuple[str, Strategy]] = []
    try:
        made = heads.REGISTRY.create(head, for_head)
    except SettingError as error:
        faults.append(str(error))
    for name in chosen:
        try:
            built.append((name, strategies.REGISTRY.create(name, own[name])))
        except GraftError as error:
            faults.append(str(error))
    if faults:
        raise SettingError("\n".join(dict.fromkeys(faults)))
    return Plan(tuple(built), made, start(made))


def _refuse(strategy: str, head: str) -> None:
    """Raise SettingError for a strategy that nobody can want, alone or with that head."""
    if strategy == "auto":
        return
    kind = strategies.REGISTRY.get(strategy)
    if not kind.learns:
        do = "Take nearest_mean or linear_probe; auto shows this one as the floor"
        raise SettingError(must("strategy", "one that learns something", repr(strategy), do))
    if kind.linear and not heads.REGISTRY.get(head).convex:
        do = "Take the strategy frozen_head, which trains any head, or leave the head out"
        raise SettingError(must("head", f"linear with the strategy {strategy}", repr(head), do))


def check(chosen: Plan, backbone: Backbone, augmentation: str) -> None:
    """Raise SettingError where a strategy does not fit the backbone, or there is no such augmentation."""
    for _, strategy in chosen.strategies:
        strategy.cut(backbone)
    backbone.preprocess.check_augmentation(augmentation)


def _meant(key: str, setting: str) -> bool:
    return key == setting or setting.startswith(f"{key}.")


def rungs(strategy: str, head: type[Head]) -> Sequence[str]:
    """Return the names of the rungs for a strategy: the ladder, or the strategy after the rung that it starts from."""
    known = {name: strategies.REGISTRY.get(name) for name in strategies.REGISTRY.names()}
    if strategy != "auto":
        return [start(head), strategy] if known[strategy].continues else [strategy]
    # A convex head needs no training by steps; a head that takes a map leaves linear rungs without their vectors.
    passed_over = {"frozen_head"} if head.convex else set()
    if head.takes != "vector":
        passed_over = {name for name, one in known.items() if one.linear and one.learns}
    places = {name: one.rung for name, one in known.items() if one.rung is not None and name not in passed_over}
    return sorted(places, key=lambda name: places[name])


def start(head: Head | type[Head]) -> str:
    """Return the rung whose head fine-tuning starts from."""
    return "linear_probe" if head.convex else "frozen_head"
