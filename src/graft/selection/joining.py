"""What the ladder says of features beside the network's: what they reach alone, and what they add."""

from collections.abc import Sequence

from graft.selection.ladder import Climb, Rung, first_value, gained, spoken
from graft.selection.rungs import EXTRA, JOINED, SIMPLE, TUNING


def joined_verdict(climbed: Climb, names: Sequence[str]) -> list[str]:
    """Return sentences on what ``names``, or else the simple features, add to the network's; none where not tried."""
    rungs = {rung.strategy: rung for rung in climbed.rungs}
    both = rungs.get(JOINED)
    if both is None:
        return []
    what = listed(names) if names else "Features without a network"
    found = [_added(what, both, rungs.get(EXTRA if names else SIMPLE), rungs.get("linear_probe"))]
    tuned = [spoken(one) for one in TUNING if one in rungs]
    if names and tuned:
        found.append(f"Fine-tuned rungs ({' and '.join(tuned)}) are without {what}: their heads see the network alone.")
    return found


def listed(names: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _added(what: str, both: Rung, alone: Rung | None, probe: Rung | None) -> str:
    """Return the sentence on the joined probe against the best rung below, and what each part reaches alone."""
    parts = [(f"{what[0].lower()}{what[1:]}" if what.startswith("Features") else what, alone), ("the network", probe)]
    each = ", ".join(f"{name} alone {first_value(rung):.3f}" for name, rung in parts if rung is not None)
    metric = spoken(next(iter(both.validation)))
    points = f"; {gained(both)}" if both.difference is not None else ""
    kept = "This is more than chance." if both.kept else "That may be chance."
    return f"{what} beside the network: {metric} {first_value(both):.3f} ({each}){points}. {kept}"
