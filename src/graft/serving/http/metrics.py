"""Counts and times of a server, bounded in memory, told in Prometheus' text format."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from threading import Lock

EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds that bound the classes of a histogram."""
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class Histogram:
    """How many values fell into each class, and their sum."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Yield its lines, counts being those of all values up to an edge."""
        below, comma = 0, "," if labels else ""
        for edge, count in zip((*map(str, self.edges), "+Inf"), self.counts, strict=True):
            below += count
            yield f'{name}_bucket{{{labels}{comma}le="{edge}"}} {below}'
        yield f"{name}_sum{{{labels}}} {self.total:.6f}"
        yield f"{name}_count{{{labels}}} {below}"


class Metrics:
    """All that a server counts; safe from any thread. Its keys are routes, statuses and the names of models."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds: dict[str, Histogram] = {}
        self.answers: Counter[tuple[str, str]] = Counter()
        self.batches: dict[str, Histogram] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        with self.lock:
            self.requests[route, status] += 1
            self.seconds.setdefault(route, Histogram(EDGES)).add(seconds)

    def answer(self, model: str, outcome: str, count: int = 1) -> None:
        """Count answers: ``accepted``, ``abstained`` or ``unreadable``."""
        with self.lock:
            self.answers[model, outcome] += count

    def batch(self, model: str, size: int) -> None:
        """Count one batch."""
        with self.lock:
            self.batches.setdefault(model, Histogram(SIZES)).add(size)

    def text(self, gauges: Mapping[str, tuple[str, Mapping[str, float]]]) -> str:
        """Return everything; ``gauges`` are further values: by name what it is, and its values by their labels."""
        with self.lock:
            lines = [
                "# HELP graft_requests_total Requests answered.",
                "# TYPE graft_requests_total counter",
                *(
                    f'graft_requests_total{{route="{route}",status="{status}"}} {count}'
                    for (route, status), count in sorted(self.requests.items())
                ),
                "# HELP graft_request_seconds Time from a request's head to its answer.",
                "# TYPE graft_request_seconds histogram",
            ]
            for route, one in sorted(self.seconds.items()):
                lines += one.lines("graft_request_seconds", f'route="{route}"')
            lines += ["# HELP graft_answers_total Inputs answered.", "# TYPE graft_answers_total counter"]
            lines += [
                f'graft_answers_total{{model="{_inert(model)}",outcome="{outcome}"}} {count}'
                for (model, outcome), count in sorted(self.answers.items())
            ]
            lines += ["# HELP graft_batch_inputs Inputs run at once.", "# TYPE graft_batch_inputs histogram"]
            for model, one in sorted(self.batches.items()):
                lines += one.lines("graft_batch_inputs", f'model="{_inert(model)}"')
        for name, (what, values) in gauges.items():
            lines += [f"# HELP {name} {what}", f"# TYPE {name} gauge"]
            lines += [f"{name}{{{labels}}} {value:g}" for labels, value in values.items()]
        return "\n".join(lines) + "\n"


def labelled(model: str) -> str:
    """Return the label of a model, quoted."""
    return f'model="{_inert(model)}"'


def _inert(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
