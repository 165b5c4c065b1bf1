"""The model card of a compressed model: what it was, what was done to it, and what that cost."""

import re
from collections.abc import Mapping
from typing import Any


def card(manifest: Mapping[str, Any]) -> str:
    """Return README.md of a compressed model as Markdown."""
    steps = [one for one in manifest["steps"] if one["step"] == "compress"]
    backbone, task = manifest["backbone"], manifest["task"]
    parts = [
        f"---\nlibrary_name: graft\ntags:\n- graft\n{''.join(f'- {one}{chr(10)}' for one in _tags(steps))}---",
        f"# {_plain(backbone['name'])}, {' and '.join(one['method'] for one in steps)}",
        f"A {manifest['modality']} {task['name']} model made with Graft and compressed. Answers, classes and "
        "preprocessing are those of the model that it was made of; every step was scored on the same locked test items "
        "before and after.",
        *(_step(one) for one in steps),
        "## How to use it",
        '```python\nimport graft\n\nmodel = graft.load("MODEL")\nmodel.predict(["a.jpg"])\n```',
        f"Weights: {_plain(backbone['weights']['source'])}, licence {_plain(backbone['weights']['licence'])}.",
    ]
    return "\n\n".join(parts) + "\n"


def _tags(steps: list[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one["method"] for one in steps))


def _step(step: Mapping[str, Any]) -> str:
    told = step["contract"]
    metric = next(key for key in told["before"] if key not in ("bytes", "p50_ms", "p95_ms", "throughput", "runtime"))
    rows = [
        f"| {metric.replace('_', ' ')} | {_of(told['before'][metric])} | {_of(told['after'][metric])} |",
        f"| size, bytes | {told['before']['bytes']:,} | {told['after']['bytes']:,} |",
        *(
            f"| {title} | {_of(told['before'][key])} | {_of(told['after'][key])} |"
            for key, title in (
                ("p50_ms", "p50 of one input, ms"),
                ("p95_ms", "p95 of one input, ms"),
                ("throughput", "inputs/s, 32 at a time"),
            )
        ),
        f"| run by | {told['before']['runtime']} | {told['after']['runtime']} |",
    ]
    gap = told["difference"]
    lost = (
        f"Difference on the same {gap['n']} items: {100 * gap['value']:+.2f} points "
        f"[{100 * gap['low']:+.2f}, {100 * gap['high']:+.2f}]; {told['max_drop']:g} may be lost."
    )
    head = "| | before | after |\n| --- | ---: | ---: |"
    return "\n\n".join([f"## {step['method']}", "\n".join([head, *rows]), lost])


def _of(one: Mapping[str, Any]) -> str:
    return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}] (n={one['n']})"


def _plain(text: object) -> str:
    """Return text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]<>|#~$&])", r"\\\1", str(text))
