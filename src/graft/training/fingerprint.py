"""What a checkpoint belongs to: a hash of everything that decides a run's result, but for the activations' values."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import torch
from torch import nn

from graft.training.problem import Problem


def fingerprint(problem: Problem, model: nn.Module, settings: Sequence[object], seed: int) -> str:
    """Return a sha-256 in hex of settings, seed, rows, targets, one batch's activations and the starting weights."""
    state = sha256(repr((tuple(settings), seed, problem.views)).encode())
    for array in (problem.train, problem.validation, problem.targets, problem.read(problem.train[:2], 0)):
        state.update(f"{array.dtype}{array.shape}".encode())
        state.update(np.ascontiguousarray(array).tobytes())
    for name, value in sorted(model.state_dict().items()):
        state.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        state.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()
