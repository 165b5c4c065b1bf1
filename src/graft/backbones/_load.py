"""Loads backbones: finds the network, builds it, fills it with weights and cuts it into stages."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from graft.backbones import _weights
from graft.backbones._base import Backbone, Stage, WeightsInfo, frozen
from graft.backbones._catalog import entries, package_of
from graft.backbones._family import Family, Network
from graft.errors import WeightsError, must, unknown_name
from graft.registry import Registry

REGISTRY: Registry[Family] = Registry("graft.backbones", "backbone family", Family)


def load(name: str, *, weights: str = "auto", seed: int = 0) -> Backbone:
    """Return a pretrained network as stages, frozen and in eval mode.

    ``name`` is a name of the catalogue or of a family; ``torchvision:resnet50`` chooses the family.
    ``weights``: ``auto`` (an installed package, the library's cache, its hub), ``random`` (drawn from ``seed``), or
    the path of a safetensors file, of a state dict, or of what the family reads besides (vectors, a folder).
    Raises UnknownNameError, WeightsError, or SettingError where the network cannot be cut.
    """
    family_name, bare = resolve(name)
    family = REGISTRY.create(family_name)
    given = None if weights in ("auto", "random") else Path(weights).expanduser()
    with _weights.seeded(seed) if weights == "random" else _weights.without_random_fill():
        opened = family.opened(bare, given) if given is not None else None
        network = opened[0] if opened is not None else family.build(bare)
    complete, source = True, f"random:{seed}"
    if opened is not None:
        source = f"file:{given}"
        complete = _weights.fill(network.model, opened[1], classifier=(), left_out=(), source=source)
    elif weights != "random":
        tensors, source = (
            _published(family, family_name, bare, network) if weights == "auto" else _own(family, network, weights)
        )
        complete = _weights.fill(
            network.model, tensors, classifier=network.classifier, left_out=network.left_out, source=source
        )
    stages, classifier = _cut(family, network)
    if complete and bare not in entries():
        # The catalogue's networks are compared by the tests instead.
        with torch.no_grad(), _weights.seeded(0):
            family.check(network, [stage.module for stage in stages], classifier, bare)
    licence = network.licence if source.startswith(("hub:", "package:")) else "unknown"
    info = WeightsInfo(source, _weights.sha256_of([stage.module for stage in stages]), licence)
    top = classifier if complete else nn.Identity()
    return Backbone(
        bare, family_name, network.normalise, stages, top, network.preprocess, info, settings=network.settings
    )


def skeleton(name: str, family: str | None = None, settings: Mapping[str, Any] | None = None) -> Backbone:
    """Return the architecture with tensors of undefined content, for ``with_tensors``; quick, reads no weights.

    ``settings`` are those of a saved backbone: with them nothing but the family has to be here.
    Raises UnknownNameError.
    """
    if settings and family:
        chosen, family_name, bare = REGISTRY.create(family), family, name
    else:
        family_name, bare = resolve(f"{family}:{name}" if family else name)
        chosen = REGISTRY.create(family_name)
    with _weights.without_random_fill():
        network = chosen.rebuild(bare, settings) if settings else chosen.build(bare)
    stages, _ = _cut(chosen, network)
    info = WeightsInfo("none", "", "unknown")
    return Backbone(
        bare, family_name, network.normalise, stages, nn.Identity(), network.preprocess, info, settings=network.settings
    )


def tensors_of(backbone: Backbone) -> dict[str, torch.Tensor]:
    """Return the stages' tensors, parameters and buffers, as ``stages.{i}.{name in the state dict}``; no copies."""
    return {
        f"stages.{index}.{name}": tensor.detach()
        for index, stage in enumerate(backbone.stages)
        for name, tensor in stage.module.state_dict().items()
    }


def with_tensors(
    backbone: Backbone, tensors: Mapping[str, torch.Tensor], weights: WeightsInfo | None = None
) -> Backbone:
    """Return the backbone with these tensors, named as ``tensors_of`` names them; the given one stays as it is.

    The tensors are used as they are, not copied. ``weights`` says where they came from; without it the hash is
    computed. Raises WeightsError where names or shapes differ.
    """
    own = tensors_of(backbone)
    faults = [f"{name} is missing" for name in own if name not in tensors]
    faults += [f"{name} is not of this network" for name in tensors if name not in own]
    faults += [
        f"{name} is {tuple(tensors[name].shape)} and not {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if faults:
        got = "; ".join(faults[: _weights.SHOWN])
        raise WeightsError(must("tensors", f"the {len(own)} of {backbone.name}", got, "Take those of tensors_of"))
    stages = tuple(
        replace(stage, module=_refilled(stage.module, tensors, f"stages.{index}."))
        for index, stage in enumerate(backbone.stages)
    )
    frozen([stage.module for stage in stages])
    sha256 = _weights.sha256_of([stage.module for stage in stages]) if weights is None else ""
    info = weights or WeightsInfo("tensors", sha256, backbone.weights.licence)
    return replace(backbone, stages=stages, weights=info)


def _refilled(module: nn.Module, tensors: Mapping[str, torch.Tensor], prefix: str) -> nn.Module:
    """Return a copy of the module whose tensors are the given ones; the old ones are never copied."""
    memo: dict[int, object] = {}
    for name, old in module.state_dict(keep_vars=True).items():
        new = tensors[prefix + name]
        memo[id(old)] = nn.Parameter(new, requires_grad=False) if isinstance(old, nn.Parameter) else new
    return copy.deepcopy(module, memo)


def resolve(name: str) -> tuple[str, str]:
    """Return (family, name in the family). Raises UnknownNameError with the nearest names suggested."""
    family, colon, rest = name.partition(":")
    if colon:
        found = REGISTRY.create(family)
        if found.knows(rest):
            return family, rest
        raise unknown_name(f"{family} backbone", rest, found.names(), "graft list backbones")
    if name in entries():
        return entries()[name]["family"], name
    families = {one: REGISTRY.create(one) for one in REGISTRY.names()}
    for one in sorted(families, key=lambda key: families[key].precedence):
        if families[one].knows(name):
            return one, name
    known = {*entries(), *(each for one in families.values() for each in one.names())}
    raise unknown_name("backbone", name, known, "graft list backbones")


def _published(family: Family, family_name: str, name: str, network: Network) -> tuple[Mapping[str, torch.Tensor], str]:
    package = package_of(name, family_name)
    file = _weights.package_file(package) if package else None
    if package and file and file.is_file():
        source = f"package:{package.partition(':')[0]}"
        return _weights.in_order(network.model, _weights.read_tensors(file), source), source
    found = family.pretrained(name)
    return family.renamed(network, found.tensors), found.source


def _own(family: Family, network: Network, path: str) -> tuple[Mapping[str, torch.Tensor], str]:
    file = Path(path).expanduser()
    return family.renamed(network, _weights.read_tensors(file)), f"file:{file}"


def _cut(family: Family, network: Network) -> tuple[tuple[Stage, ...], nn.Module]:
    pieces, classifier = family.cut(network)
    frozen([piece.module for piece in pieces] + [classifier])
    return tuple(Stage(piece.name, piece.module, piece.shape) for piece in pieces), classifier
