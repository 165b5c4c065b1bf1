"""Metrics as a model carries them: each with n and its 95 % interval, printed as a table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graft.types import Estimate


@dataclass(frozen=True)
class Scores:
    """The metrics of a model on its locked test part; behaves as a mapping and prints as a table."""

    metrics: Mapping[str, Estimate]

    @classmethod
    def from_json(cls, plain: Mapping[str, Mapping[str, Any]]) -> "Scores":
        """Return the scores that a manifest holds."""
        return cls({name: Estimate(**one) for name, one in plain.items()})

    def __getitem__(self, name: str) -> Estimate:
        return self.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __str__(self) -> str:
        if not self.metrics:
            return "No test data was held out, so there are no test metrics."
        width = max(map(len, self.metrics))
        rows = [f"{'metric':<{width}}   value   95 % interval         n"]
        for name, one in self.metrics.items():
            words = name.replace("_", " ")
            rows.append(f"{words:<{width}}  {one.value:6.3f}   {one.low:6.3f} to {one.high:6.3f}  {one.n:6d}")
        return "\n".join(rows)
