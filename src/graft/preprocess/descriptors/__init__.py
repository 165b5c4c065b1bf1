"""Named descriptors: what can be told of an input without a network, one file each, owned by a modality."""

from functools import cache

from graft.preprocess.descriptors._base import Descriptor, Learned
from graft.registry import Registry

REGISTRY: Registry[Descriptor] = Registry(__name__, "descriptor", Descriptor)


@cache
def named(name: str) -> Descriptor:
    """Return the descriptor of that name. Raises UnknownNameError."""
    return REGISTRY.create(name)


def of_modality(modality: str) -> tuple[str, ...]:
    """Return the names of the descriptors for inputs of a modality, sorted."""
    owners = {name: REGISTRY.get(name).modality for name in REGISTRY.names()}
    return tuple(name for name, owner in owners.items() if owner in (None, modality))


__all__ = ["REGISTRY", "Descriptor", "Learned", "named", "of_modality"]
