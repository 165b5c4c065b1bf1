"""The questions of clinc150 that belong to no class: how many are refused, and what that costs the others."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import child
from benchmarks.photos import real
from benchmarks.tables import Check, Table, checks, percent
from benchmarks.texts import rows

if TYPE_CHECKING:
    from graft.serving.model import Model

NAME = "clinc150"
PARTS = ("train", "val", "test")
SHARES = (0.05, 0.03, 0.02, 0.01)
"""What ``--abstain`` is asked for."""
LOSS = 0.007
"""In-scope accuracy that the published threshold costs."""
PUBLISHED = (("BERT, out-of-scope as a class", 0.969, 0.403), ("BERT, a threshold", 0.962, 0.523))
"""Larson et al. 2019, the full data: name, in-scope accuracy, share of out-of-scope questions refused."""
COLUMNS = ("what", "in-scope accuracy, refused ones wrong", "accuracy of accepted", "out of scope refused")


def tables(*, quick: bool) -> Iterator[Table]:
    """Yield what a fit with the defaults refuses beside what was published, and whether that is as much."""
    with child.folder() as home:
        asked = table(home / "inside.csv", 3 if quick else None)
        env = {"GRAFT_CACHE": str(home / "cache")}
        told = child.call("benchmarks.doubts:measured", env=env, source=asked, out=home / "model")
    published = [[name, percent(inside), "", percent(outside)] for name, inside, outside in PUBLISHED]
    notes = (
        f"Fitted in {told['seconds']:.0f} s with the defaults, which shipped {told['shipped']}. The published models "
        "saw 100 out-of-scope questions in training or in the choice of the threshold; Graft saw none.",
    )
    rows = [*(_cells(one) for one in told["rows"]), *published]
    yield Table("Out-of-scope questions of clinc150", COLUMNS, rows, notes)
    yield checks("Out-of-scope questions refused at the same loss", [_verdict(told)])


def table(file: Path, each: int | None) -> Path:
    """Write the in-scope questions with their official parts, ``each`` of every class and part or all."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("text", "label", "split"))
        for part in PARTS:
            count: dict[str, int] = {}
            for text, label in rows(real(NAME) / f"{part}.csv"):
                count[label] = count.get(label, 0) + 1
                if each is None or count[label] <= each:
                    writer.writerow((text, label, part))
    return file


def measured(source: str, out: str) -> dict[str, Any]:
    """Fit to the in-scope questions alone, and count what is refused of the test questions, inside and outside."""
    from graft import api

    return refused(api.fit(source, out=out, abstain=SHARES[0]))


def refused(model: "Model") -> dict[str, Any]:
    """Return how a fit went, and the shares of test questions that are right, accepted and refused."""
    import numpy as np

    from graft import data

    task, doubt = model.assembled.task, model.assembled.doubt
    assert doubt is not None
    found: dict[str, tuple[Any, Any, Any]] = {}
    for part in PAIR:
        asked = rows(real(NAME) / f"{part}.csv")
        of = model.measured(data.texts([text for text, _ in asked], "text"))
        chances = task.probabilities(of.logits, float(model.manifest["temperature"]))
        inside = not part.startswith("oos")
        right = chances.argmax(axis=1) == task.targets([label for _, label in asked]) if inside else np.zeros(0)
        found[part] = of.vectors, chances.max(axis=1), right
    told = [_counted("all answers accepted", *(np.ones(len(found[one][1]), bool) for one in PAIR), found)]
    for share in (None, *SHARES):
        judge = doubt.promising(share)
        taken = [np.array([one.accepted for one in judge.judge(*found[part][:2])], bool) for part in PAIR]
        said = "only what is unlike the training data refused" if share is None else f"--abstain {share:g}"
        if share is not None and (judge.abstain is None or judge.abstain.threshold is None):
            said += " (cannot be promised: nothing accepted)"
        told.append(_counted(said, *taken, found))
    known = doubt.calibration
    for said, answers in ((CHOSEN, (known.sure, known.right)), (READ, found["test"][1:])):
        least = threshold(*answers, LOSS)
        taken = [found[part][1] >= least for part in PAIR]
        told.append(_counted(f"{said}: {least:.3f}", *taken, found))
    seconds = float(model.manifest["seconds"]["total"])
    return {"rows": told, "seconds": seconds, "shipped": model.manifest["strategy"]}


PAIR = ("test", "oos_test")
CHOSEN = f"a threshold on the probability alone, {100 * LOSS:.1f} points of held-out answers lost"
READ = f"the same, {100 * LOSS:.1f} points of these questions lost"


def threshold(sure: Any, right: Any, loss: float) -> float:
    """Return the highest probability (of those seen) from which on accepting costs at most ``loss`` right answers."""
    import numpy as np

    kept = np.sort(sure[right == 1])
    return float(kept[int(loss * len(sure))])


def _counted(what: str, inside: Any, outside: Any, found: dict[str, tuple[Any, Any, Any]]) -> dict[str, Any]:
    from graft.evaluation.intervals import wilson

    right = found["test"][2]
    return {
        "what": what,
        "inside": wilson(float((right & inside).sum()), len(right)).to_json(),
        "accepted": wilson(float((right & inside).sum()), int(inside.sum())).to_json(),
        "outside": wilson(float((~outside).sum()), len(outside)).to_json(),
    }


def _cells(one: dict[str, Any]) -> list[str]:
    return [one["what"], *(_share(one[name]) for name in ("inside", "accepted", "outside"))]


def _share(one: dict[str, Any]) -> str:
    return f"{percent(one['value'])} [{percent(one['low'])} to {percent(one['high'])}] (n={one['n']})"


def _verdict(told: dict[str, Any]) -> Check:
    (one,) = (row["outside"] for row in told["rows"] if row["what"].startswith(READ))
    what, least = f"refused where {100 * LOSS:.1f} points of in-scope accuracy are lost", PUBLISHED[1][2]
    return Check(what, _share(one), f"at least {percent(least)}", one["value"] >= least)
