"""What a module without a hash of its own computes with."""

from torch import nn

from graft.types import digest


def normalisation(module: nn.Module) -> str:
    """Return a hash of a small module: its classes, plain settings, parameters and buffers."""
    told = [repr(module)]
    for name, part in module.named_modules():
        told += [
            f"{name}.{key}={value!r}"
            for key, value in sorted(vars(part).items())
            # Not the mode: the prefix is always run in eval mode, whatever mode it is found in.
            if isinstance(value, int | float | str | tuple) and not key.startswith("_") and key != "training"
        ]
    state = [(name, tensor.detach().cpu()) for name, tensor in [*module.named_parameters(), *module.named_buffers()]]
    values = [part for name, tensor in state for part in (name, f"{tensor.dtype}", tensor.numpy().tobytes())]
    return digest(*told, *values)
