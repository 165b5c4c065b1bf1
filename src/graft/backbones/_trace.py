"""Cuts a network into stages with torch.fx, so that the stages in order do exactly what the network does.

The library's own tracing rules are used (torchvision's node tracer, timm's untraceable modules and functions), but
blocks are never traced through: a stage calls the original submodules, under their original names.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import fx, nn
from torch.func import functional_call
from torchvision.models.feature_extraction import NodePathTracer

from graft.backbones._family import Piece
from graft.errors import SettingError, must

CONTAINERS = frozenset(
    {"features", "blocks", "layers", "stages", "levels", "encoder", "classifier"}
    | {"trunk", "trunk_output", "backbone", "body", "network"}
)
"""Modules of these names are lists of blocks: they are opened, so that each block can be a stage."""
POOLS = ("pool", "mean", "flatten", "squeeze", "dropout", "identity", "permute", "reshape", "view")


@dataclass(frozen=True)
class Atom:
    """The smallest run of operations that can be cut off: all that follows needs its one output only."""

    nodes: tuple[fx.Node, ...]
    output: fx.Node
    heavy: str | None
    """Name of the first module in it that has a matrix or a kernel; None for norms, activations, pooling."""


class _Tracer(NodePathTracer):  # type: ignore[misc]
    """Traces the network, but no deeper than the modules in ``opened``."""

    def __init__(self, opened: frozenset[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.opened = opened

    def is_leaf_module(self, m: nn.Module, module_qualname: str) -> bool:
        return module_qualname not in self.opened or bool(super().is_leaf_module(m, module_qualname))


class _Shapes(fx.Interpreter):
    """Runs the network once and notes every tensor's shape and what changes it in place."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}
        self.changed: dict[fx.Node, set[fx.Node]] = {}

    def fetch_args_kwargs_from_env(self, n: fx.Node) -> Any:
        args, settings = super().fetch_args_kwargs_from_env(n)
        # As in real Python: HRNet's modules change the lists that they are given.
        return tuple(list(one) if isinstance(one, list) else one for one in args), settings

    def run_node(self, n: fx.Node) -> Any:
        # All living tensors: work in place on a view changes what it is a view of.
        before = [(node, value, value._version) for node, value in self.env.items() if isinstance(value, torch.Tensor)]
        result = super().run_node(n)
        for node, value, version in before:
            if value._version != version:
                self.changed.setdefault(node, set()).add(n)
        if isinstance(result, torch.Tensor):
            self.shapes[n] = tuple(result.shape)
        return result


class _Runner(nn.Module):
    """Holds the network where ``functional_call`` can exchange its tensors, while the interpreter runs it."""

    def __init__(self, shapes: _Shapes, network: nn.Module) -> None:
        super().__init__()
        self.run = shapes.run
        self.network = network

    def forward(self, x: torch.Tensor) -> Any:
        return self.run(x)


SMALL = 8_000_000
"""Weights up to which computing one image takes less time than finding its shapes without computing."""


def _run_once(whole: fx.GraphModule, shape: tuple[int, ...]) -> _Shapes:
    """Run the network without computing anything, or in earnest: where it is small, or makes tensors of its own."""
    seen = _Shapes(whole)
    weights = list(whole.parameters())
    small = sum(one.numel() for one in weights) < SMALL
    with torch.no_grad():
        try:
            if small:
                seen.run(torch.zeros(1, *shape, device=weights[0].device))
                return seen
            tensors = {f"network.{name}": tensor.to("meta") for name, tensor in whole.state_dict().items()}
            tensors |= {f"network.{name}": buffer.to("meta") for name, buffer in whole.named_buffers()}
            functional_call(_Runner(seen, whole), tensors, torch.zeros(1, *shape, device="meta"))
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            seen = _Shapes(whole)
            seen.run(torch.zeros(1, *shape, device=next(whole.parameters()).device))
    return seen


def cut_into_stages(
    model: nn.Module, shape: tuple[int, ...], classifier: Sequence[str]
) -> tuple[tuple[Piece, ...], nn.Module]:
    """Return the stages of ``model`` and its classifier; together, in order, they are the network in eval mode.

    ``shape`` is that of one input without the batch axis, ``classifier`` holds the qualified names of the modules
    that make the classes. Branches that only work in training (GoogLeNet's and Inception's auxiliary heads) are
    left out. Raises SettingError where the network can neither be traced nor has timm's two halves.
    """
    model.eval()
    try:
        whole = _traced(model, classifier)
        seen = _run_once(whole, shape)
    except Exception as trouble:  # tracing runs foreign code on proxies: it may raise anything
        from graft.backbones._halves import halves

        return halves(model, shape, classifier, trouble)
    atoms = _atoms(whole, seen.shapes)
    body, top = _split_classifier(atoms, classifier)
    if not body:
        do = "Take another backbone"
        raise SettingError(
            must("backbone", "a network that can be cut before its classifier", type(model).__name__, do)
        )
    groups = _grouped(body, seen.shapes)
    pieces, taken = [], _input(whole)
    for name, group in groups:
        out = group[-1].output
        pointlike = group is groups[-1][1] and top and len(seen.shapes[out]) == 4 and prod(seen.shapes[out][2:]) == 1
        module = _module(
            whole, taken, out, seen.shapes, clone=_spoils(taken, group, seen.changed), flatten=bool(pointlike)
        )
        pieces.append(Piece(name, module, _first(seen.shapes[out])[:1] if pointlike else _first(seen.shapes[out])))
        taken = out
    if not top:
        return tuple(pieces), nn.Identity()
    clone, unflatten = _spoils(taken, top, seen.changed), len(pieces[-1].shape) == 1
    last = _module(whole, taken, top[-1].output, seen.shapes, clone=clone, unflatten=unflatten)
    return tuple(pieces), last


def _traced(model: nn.Module, classifier: Sequence[str]) -> fx.GraphModule:
    """Return the network as one flat graph with one input; what its output does not need is left out."""
    from timm.layers import get_notrace_functions, get_notrace_modules
    from torchvision.models.feature_extraction import _set_default_tracer_kwargs

    settings = _set_default_tracer_kwargs(
        {"leaf_modules": list(get_notrace_modules()), "autowrap_functions": list(get_notrace_functions())}
    )
    settings["autowrap_functions"] = tuple(settings["autowrap_functions"])
    extra = list(inspect.signature(model.forward).parameters.values())[1:]
    fixed = {p.name: p.default for p in extra if p.kind is p.POSITIONAL_OR_KEYWORD}
    graph = _Tracer(_opened(model, classifier), **settings).trace(model, concrete_args=fixed or None)
    given = next(node for node in graph.nodes if node.op == "placeholder")
    (result,) = next(node for node in graph.nodes if node.op == "output").args
    if not isinstance(result, fx.Node):
        raise TypeError(f"the network returns {type(result).__name__}, not one tensor")
    clean = fx.Graph()
    _copy(clean, result, {given: clean.placeholder("x")})
    return fx.GraphModule(model, clean)


def _opened(model: nn.Module, classifier: Sequence[str]) -> frozenset[str]:
    """Return the names of the modules to trace into: lists of blocks, and what holds the classifier."""
    opened = {""}
    for name in classifier:
        parts = name.split(".")
        opened |= {".".join(parts[:count]) for count in range(1, len(parts))}
    for name, module in model.named_modules():
        parent, _, own = name.rpartition(".")
        plain_list = parent == "" and type(module) in (nn.Sequential, nn.ModuleList) and not own[-1:].isdigit()
        listed = (own in CONTAINERS or plain_list) and any(True for _ in module.children())
        if name and parent in opened and name not in classifier and listed:
            opened.add(name)
    return frozenset(opened)


def _copy(graph: fx.Graph, wanted: fx.Node, known: dict[fx.Node, fx.Node]) -> None:
    """Copy into ``graph`` what ``wanted`` needs beyond ``known``, in the original order, and make it the output."""
    needed, waiting = set[fx.Node](), [wanted]
    while waiting:
        node = waiting.pop()
        if node not in needed and node not in known:
            needed.add(node)
            waiting += node.all_input_nodes
    for node in wanted.graph.nodes:
        if node in needed:
            known[node] = graph.node_copy(node, lambda one: known[one])
    graph.output(known[wanted])


def _input(whole: fx.GraphModule) -> fx.Node:
    found: fx.Node = next(node for node in whole.graph.nodes if node.op == "placeholder")
    return found


def _atoms(whole: fx.GraphModule, shapes: Mapping[fx.Node, tuple[int, ...]]) -> list[Atom]:
    """Return the network's atoms in order: a cut is possible where exactly one computed tensor is still needed."""
    fed = {_input(whole)}
    order = [_input(whole)]
    for node in whole.graph.nodes:
        if node.op != "output" and fed & set(node.all_input_nodes):
            fed.add(node)
            order.append(node)
    place = {node: index for index, node in enumerate(order)}
    last_use = {node: max(place.get(user, len(order)) for user in node.users) for node in order}
    atoms: list[Atom] = []
    live: set[fx.Node] = set()
    run: list[fx.Node] = []
    for index, node in enumerate(order):
        live = {one for one in live | {node} if last_use[one] > index}
        if index:
            run.append(node)
        if run and len(live) == 1 and 2 <= len(shapes.get(next(iter(live)), ())) <= 4:
            atoms.append(Atom(tuple(run), next(iter(live)), _heavy(whole, run)))
            run = []
    return atoms


def _heavy(whole: fx.GraphModule, nodes: Sequence[fx.Node]) -> str | None:
    for node in nodes:
        if node.op == "call_module" and any(p.ndim > 1 for p in whole.get_submodule(str(node.target)).parameters()):
            return str(node.target)
    return None


def _split_classifier(atoms: list[Atom], classifier: Sequence[str]) -> tuple[list[Atom], list[Atom]]:
    """Return the atoms before the classifier, and its own; a dropout right before it goes with it."""
    tops = tuple(f"{name}." for name in classifier)
    for index, atom in enumerate(atoms):
        if any(node.op == "call_module" and f"{node.target}.".startswith(tops) for node in atom.nodes):
            cut = index
            while cut and _is(atoms[cut - 1], ("dropout", "identity")):
                cut -= 1
            return atoms[:cut], atoms[cut:]
    return atoms, []


def _is(atom: Atom, kinds: Sequence[str]) -> bool:
    """Return whether all that an atom does is called like one of ``kinds``."""
    return atom.heavy is None and all(any(kind in _called(node) for kind in kinds) for node in atom.nodes)


def _called(node: fx.Node) -> str:
    if node.op == "call_module" and node.graph.owning_module is not None:
        return type(node.graph.owning_module.get_submodule(str(node.target))).__name__.lower()
    return str(getattr(node.target, "__name__", node.target)).lower()


def _grouped(atoms: list[Atom], shapes: Mapping[fx.Node, tuple[int, ...]]) -> list[tuple[str, list[Atom]]]:
    """Return named stages: each begins at a heavy atom or where places are pooled away; the rest joins on."""
    pool = _pool(atoms, shapes)
    first = next((index for index, atom in enumerate(atoms) if atom.heavy), 0)
    groups: list[tuple[str, list[Atom]]] = []
    for index, atom in enumerate(atoms):
        if groups and index != pool and (atom.heavy is None or index <= first):
            groups[-1][1].append(atom)
            continue
        name = "pool" if index == pool and groups else atom.heavy or "stem"
        groups.append((name, [atom]))
    tokens = len(shapes[groups[0][1][-1].output]) == 3
    names = ["embed" if tokens else "stem", *(name for name, _ in groups[1:])]
    counts = [names[:index].count(name) for index, name in enumerate(names)]
    return [(f"{n}#{c + 1}" if c else n, group) for n, c, (_, group) in zip(names, counts, groups, strict=True)]


def _pool(atoms: list[Atom], shapes: Mapping[fx.Node, tuple[int, ...]]) -> int | None:
    """Return the index of the atom where a map or tokens become one vector, the pooling before it included."""
    for index, atom in enumerate(atoms):
        shape = shapes[atom.output]
        if len(shape) == 2 or (len(shape) == 4 and prod(shape[2:]) == 1):
            trunk = {str(one.nodes[0].target).partition(".")[0] for one in atoms[:index] if one.heavy}
            begin = index
            while begin > 1 and _is(atoms[begin - 1], POOLS):
                if str(atoms[begin - 1].nodes[0].target).partition(".")[0] in trunk:
                    break  # the last max-pooling of VGG's `features` belongs to its last convolution
                begin -= 1
            return begin or None
    return None


def _spoils(taken: fx.Node, group: Sequence[Atom], changed: Mapping[fx.Node, set[fx.Node]]) -> bool:
    """Return whether a stage works in place on its input, which may be a stored activation."""
    return not changed.get(taken, set()).isdisjoint(node for atom in group for node in atom.nodes)


def _channels_last(shape: Sequence[int]) -> bool:
    """Return whether a square (n, H, W, C) came, as Swin makes it, and not (n, C, H, W)."""
    return len(shape) == 4 and shape[1] == shape[2] != shape[3] and prod(shape[1:3]) > 1


def _first(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a cut tensor's shape as stages hand it over: no batch axis, channels first."""
    return (shape[3], shape[1], shape[2]) if _channels_last(shape) else tuple(shape[1:])


def _module(
    whole: fx.GraphModule,
    taken: fx.Node,
    out: fx.Node,
    shapes: Mapping[fx.Node, tuple[int, ...]],
    *,
    clone: bool,
    flatten: bool = False,
    unflatten: bool = False,
) -> fx.GraphModule:
    """Return the operations after ``taken`` up to ``out`` as one module that holds the original submodules."""
    graph = fx.Graph()
    x = graph.placeholder("x")
    if _channels_last(shapes[taken]):
        x = graph.call_method("permute", (x, 0, 2, 3, 1))
    if unflatten and len(shapes[taken]) == 4:
        x = graph.call_method("unflatten", (x, 1, shapes[taken][1:]))
    if clone:
        x = graph.call_method("clone", (x,))
    known = {taken: x}
    _copy(graph, out, known)
    if _channels_last(shapes[out]) or flatten:
        (result,) = (node for node in graph.nodes if node.op == "output")
        with graph.inserting_before(result):
            last = known[out]
            last = (
                graph.call_method("flatten", (last, 1)) if flatten else graph.call_method("permute", (last, 0, 3, 1, 2))
            )
        result.args = (last,)
    return fx.GraphModule(whole, graph, class_name="Stage")
