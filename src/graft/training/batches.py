"""The batches of an epoch, decided by seed and epoch alone, read one ahead."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from graft.training.problem import Problem


def count(rows: int, batch_size: int) -> int:
    """Return the number of batches of an epoch."""
    return max(1, -(-rows // batch_size))


def epoch(
    problem: Problem, seed: int, number: int, batch_size: int, device: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield inputs and targets: every training row once, in random order, each in one of its views at random.

    Batches differ in size by one at most, so that none is too small for BatchNorm in a head.
    """
    draw = np.random.default_rng((seed, number))
    rows = draw.permutation(problem.train)
    views = draw.integers(0, problem.views, len(rows)) if problem.views > 1 else np.zeros(len(rows), dtype=np.int64)
    parts = np.array_split(np.arange(len(rows)), count(len(rows), batch_size))
    yield from _ahead(problem, [(rows[part], views[part]) for part in parts], device)


def plain(
    problem: Problem, rows: np.ndarray, batch_size: int, device: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield inputs and targets of the rows in their order, view 0."""
    chunks = [rows[begin : begin + batch_size] for begin in range(0, len(rows), batch_size)]
    yield from _ahead(problem, [(chunk, 0) for chunk in chunks], device)


def _ahead(
    problem: Problem, plan: list[tuple[np.ndarray, np.ndarray | int]], device: str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    def load(index: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows, views = plan[index]
        inputs = torch.from_numpy(np.ascontiguousarray(problem.read(rows, views)))
        return inputs.to(device), torch.from_numpy(problem.targets[rows]).to(device)

    with ThreadPoolExecutor(1, thread_name_prefix="graft-batches") as thread:
        coming = thread.submit(load, 0) if plan else None
        for index in range(len(plan)):
            assert coming is not None
            batch = coming.result()
            coming = thread.submit(load, index + 1) if index + 1 < len(plan) else None
            yield batch
