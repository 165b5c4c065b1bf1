"""What all strategies that train by gradient descent share: everything but the cut and the defaults."""

import copy
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from graft.strategies import _loop, _material
from graft.strategies._base import Fitted, Material
from graft.strategies._probe import Probe, Table, fit_probe
from graft.training import Conditions, Numerics, Optimisation, Problem, Regularisation, train

HEAD_FIRST = Optimisation(lr=1e-3, weight_decay=0.05, epochs=4)
"""How a head that no probe can start is brought into place before the stages move."""


def fine_tune(
    material: Material,
    cut: int,
    optimisation: Optimisation,
    regularisation: Regularisation,
    numerics: Numerics,
) -> Fitted:
    """Train copies of the stages from ``cut`` on, starting from the linear probe's head.

    First the head, then all of it: LP-FT (Kumar et al. 2022), since a head that starts at random distorts good
    features before it knows anything. Raises DivergenceError.
    """
    backbone = material.backbone
    if backbone.windowed:
        # The tokens of several windows have as many axes as a map, and no height or width.
        regularisation = replace(regularisation, cutmix=0.0)
    stages = copy.deepcopy(backbone.suffix(cut)).eval()
    head = _start(material, stages, backbone.shape(backbone.n_stages), regularisation.label_smoothing)
    return _loop.fit(material, cut, stages, head, optimisation, regularisation, numerics)


def _start(material: Material, stages: nn.Sequential, shape: tuple[int, ...], smoothing: float) -> nn.Module:
    """Return the head to start from; only training rows were used for it."""
    head = _material.fresh_head(material.head, shape, material.task.outputs, material.seed)
    if not material.head.convex:
        return _head_first(material, stages, head) if len(stages) else head
    probe = material.probe
    if probe is not None and probe.development_logits is not None:
        given = _material.linear_layer(probe.training_head or probe.head)
        weight, bias = given.weight.detach(), given.bias.detach()
        honest = torch.from_numpy(probe.development_logits[: len(material.train)])
    else:
        own = _own_probe(material, stages)
        weight, bias, honest = own.training_weight, own.training_bias, own.out_of_fold
    scale = _scale(material, honest, smoothing)
    layer = _material.linear_layer(head)
    with torch.no_grad():
        layer.weight.copy_(weight * scale)
        layer.bias.copy_(bias * scale)
    return head


def _own_probe(material: Material, stages: nn.Sequential) -> Probe:
    """Return a probe of the training rows, for want of one that was fitted before."""
    rows = material.train
    targets = material.targets[rows]
    table = Table(
        features=_through(material, stages, rows, 0).numpy()[None],
        targets=targets,
        n_train=len(rows),
        row_weights=_material.row_weights(material, targets),
        units=None if material.units is None else material.units[rows],
        strata=_material.strata(material, rows),
        likelihood=_material.likelihood(material),
        spare=True,
    )
    return fit_probe(table, material.task.outputs, seed=material.seed)


def _scale(material: Material, honest: torch.Tensor, smoothing: float) -> float:
    """Return the factor on the probe's logits with the lowest smoothed loss on rows that it never saw.

    A probe fitted to the last is far too sure of itself for smoothed targets: on photos of hand signs the steep loss
    took the first epoch from 0.90 to 0.63, and none of it with the probe toned down by 4.
    """
    judge, goal = _material.loss(material), torch.from_numpy(material.targets[material.train])
    tried: list[float] = [2.0 ** (-step / 4) for step in range(-4, 17)]
    losses = [judge(honest * scale, goal, smoothing).item() for scale in tried]
    return tried[int(np.argmin(losses))]


def _through(material: Material, stages: nn.Sequential, rows: np.ndarray, views: np.ndarray | int) -> torch.Tensor:
    """Return what the stages in eval mode give for rows, on the CPU, a chunk at a time."""
    device = torch.device(material.device)
    stages.to(device)
    found: list[torch.Tensor] = []
    with torch.no_grad():
        for begin in range(0, len(rows), 64):
            part = slice(begin, begin + 64)
            inputs = material.activations.read(rows[part], views if isinstance(views, int) else views[part])
            found.append(stages(torch.from_numpy(np.ascontiguousarray(inputs)).to(device)).float().cpu())
    stages.to("cpu")
    return torch.cat(found)


def _head_first(material: Material, stages: nn.Sequential, head: nn.Module) -> nn.Module:
    """Return the head after some epochs on the frozen stages."""
    problem = Problem(
        stages=nn.Sequential(),
        head=head,
        read=lambda rows, views: _through(material, stages, rows, views).numpy(),
        views=material.activations.shape[1],
        targets=material.targets,
        train=material.train,
        validation=material.validation,
        loss=_material.loss(material),
        soft=material.task.soft,
        score=_material.score(material),
        chance=_material.chance(material),
    )
    conditions = Conditions(seed=material.seed, device=material.device, seconds_left=material.seconds_left)
    numerics = Numerics(precision="float32", layout="contiguous")
    return train(problem, HEAD_FIRST, Regularisation(), numerics, conditions).head
