"""Watching: whether what a model is asked has become unlike its training data; rolling statistics, no inputs, no torch.

``Rolling`` keeps the last ``size`` inputs as 32 projected features and three numbers each, nothing they could be made
again from. Whenever as many new inputs have come, ``look`` compares them once with training inputs, so that none is
looked at twice: of looks at inputs like the training data a share of at most ``FALSE_ALARM`` raises an alarm.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from graft.doubt.judging import Doubt, Verdict
from graft.errors import DataError, SettingError, must

FORMAT = 1
SIZE = 500
"""Inputs of a look."""
FEWEST = 20
"""Inputs below which nothing is said."""
FALSE_ALARM = 0.01
"""Of looks at inputs like the training data, the share that raises an alarm at most."""
SHUFFLES = 999


@dataclass(frozen=True)
class Look:
    """One comparison of inputs with the training data."""

    n: int
    """Inputs that were compared."""
    reference: int
    """Training inputs that they were compared with."""
    distance: float
    """Energy distance of the projected features."""
    p_value: float
    """How often shuffled inputs are as far apart, at least 0.001."""
    false_alarm: float
    """The p-value up to which there is an alarm."""
    unlike: float
    """Share of the inputs that are unlike the training data each by itself."""
    expected: float
    """Share that is expected at most of inputs like the training data."""
    accepted: float
    """Share of accepted answers."""
    sure: float | None
    """Mean probability of the answers; None where they have none."""

    @property
    def alarm(self) -> bool:
        """Whether the inputs are not what the model was trained on."""
        return self.p_value <= self.false_alarm

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and ``alarm``."""
        return {**asdict(self), "alarm": self.alarm}

    def sentence(self) -> str:
        """Return what was found, in words."""
        found = "Drift: these inputs are not like the training data" if self.alarm else "No drift was seen"
        return (
            f"{found} (n = {self.n} against {self.reference}, p = {self.p_value:.3f}, an alarm from "
            f"{self.false_alarm:g} down); {100 * self.unlike:.1f} % are unlike it each by itself, at most "
            f"{100 * self.expected:g} % are expected; {100 * self.accepted:.1f} % of the answers are accepted."
        )


def checked(false_alarm: float) -> float:
    """Return a rate of false alarms that 999 exchanges can tell. Raises SettingError."""
    if not 2 / (1 + SHUFFLES) <= false_alarm < 1:
        raise SettingError(must("--false-alarm", "from 0.002 to below 1", false_alarm, "Give 0.01"))
    return float(false_alarm)


def energy(values: np.ndarray, reference: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """Return the energy distance of values (n, p) and reference (m, p), and the p-value of their having one source.

    The p-value is that of 999 random exchanges between the two: exact for any n and m, whatever the values are.
    Source: Székely and Rizzo 2004, "Testing for equal distributions in high dimension", InterStat 5.
    """
    n, m = len(values), len(reference)
    both = np.concatenate([values, reference]).astype(np.float64)
    both -= both.mean(axis=0)
    squares = np.square(both).sum(axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] - 2 * both @ both.T + squares, 0.0)).astype(np.float32)
    np.fill_diagonal(apart, 0.0)
    draw = np.random.default_rng((seed, n, m))
    chosen = np.zeros((n + m, 1 + SHUFFLES), np.float32)
    chosen[:n, 0] = 1
    for column in range(1, 1 + SHUFFLES):
        chosen[draw.permutation(n + m)[:n], column] = 1
    from_all, whole = apart.sum(axis=1, dtype=np.float64), float(apart.sum(dtype=np.float64))
    within = np.einsum("ij,ij->j", apart @ chosen, chosen, dtype=np.float64)
    across = from_all @ chosen - within
    rest = whole - within - 2 * across
    found = 2 * across / (n * m) - within / n**2 - rest / m**2
    # Exchanges that give the same two groups differ by rounding alone.
    as_far = int((found[1:] >= found[0] - 1e-6 * abs(whole) / (n + m) ** 2).sum())
    return float(found[0]), (1 + as_far) / (1 + SHUFFLES)


class Rolling:
    """The last inputs that a model was asked, as far as drift needs them; not safe for several threads at once."""

    def __init__(self, doubt: Doubt, *, size: int = SIZE, false_alarm: float = FALSE_ALARM, seed: int = 0) -> None:
        self.doubt = doubt
        self.size = max(size, FEWEST)
        self.false_alarm = false_alarm
        self.seed = seed
        self.total = 0
        """Inputs so far."""
        self.last: Look | None = None
        self.looks = 0
        self.alarms = 0
        self._looked = 0
        width = doubt.reference.projection.shape[1]
        self._values = np.zeros((self.size, width), np.float32)
        self._told = np.full((self.size, 3), np.nan, np.float32)

    def add(self, vectors: np.ndarray, sure: np.ndarray | None = None) -> list[Verdict]:
        """Take in inputs of vectors (n, width), answered with probabilities ``sure`` (n,); the oldest go.

        Returns the verdicts on the answers.

        Raises DataError for features of another width, or that are not finite.
        """
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] < self.doubt.width or not np.isfinite(vectors).all():
            wanted = f"finite, (n, {self.doubt.width}) or wider"
            raise DataError(must("features", wanted, f"{vectors.shape}", "Give those of the model's own network"))
        verdicts = self.doubt.judge(vectors, sure)
        values = vectors[:, : self.doubt.width] @ self.doubt.reference.projection
        for row, verdict in enumerate(verdicts):
            place = self.total % self.size
            self._values[place] = values[row]
            self._told[place] = (verdict.unlike, np.nan if sure is None else sure[row], verdict.accepted)
            self.total += 1
        return verdicts

    def look(self, *, least: int | None = None) -> Look | None:
        """Return the last look, after a new one if enough new inputs have come (``least``, else ``size``).

        None before the first.
        """
        taken = self.take(least=least)
        if taken is not None:
            self.note(self.compared(*taken))
        return self.last

    def take(self, *, least: int | None = None) -> tuple[np.ndarray, np.ndarray] | None:
        """Return copies of what the next look is at, if enough has come, and count it as looked at; else None."""
        fresh = min(self.total - self._looked, self.size)
        if fresh < (self.size if least is None else max(least, FEWEST)):
            return None
        places = np.arange(self.total - fresh, self.total) % self.size
        self._looked = self.total
        return self._values[places], self._told[places]

    def compared(self, values: np.ndarray, told: np.ndarray) -> Look:
        """Return the look at what ``take`` returned; changes nothing, so that it may go on beside ``add``."""
        return compare(self.doubt, values, told, self.false_alarm, self.seed)

    def note(self, look: Look) -> None:
        """Keep a look as the last one."""
        self.last = look
        self.looks += 1
        self.alarms += look.alarm

    def to_json(self) -> dict[str, Any]:
        """Return all that is kept, as plain JSON: what ``graft watch --log`` reads."""
        count = min(self.total, self.size)
        places = np.arange(self.total - count, self.total) % self.size
        return {
            "format": FORMAT,
            "model": fingerprint(self.doubt),
            "total": self.total,
            "n": count,
            "values": _packed(self._values[places]),
            "told": _packed(self._told[places]),
            "looks": self.looks,
            "alarms": self.alarms,
            "last": self.last.to_json() if self.last else None,
        }


def compare(doubt: Doubt, values: np.ndarray, told: np.ndarray, false_alarm: float, seed: int = 0) -> Look:
    """Return one look at inputs of projected features (n, p) and (unlike, sure, accepted) ``told`` (n, 3)."""
    distance, p_value = energy(values, doubt.reference.values, seed=seed)
    sure = told[:, 1][np.isfinite(told[:, 1])]
    return Look(
        n=len(values),
        reference=len(doubt.reference.values),
        distance=distance,
        p_value=p_value,
        false_alarm=false_alarm,
        unlike=float((told[:, 0] > doubt.above).mean()),
        expected=doubt.share,
        accepted=float(told[:, 2].mean()),
        sure=float(sure.mean()) if len(sure) else None,
    )


def fingerprint(doubt: Doubt) -> str:
    """Return what statistics and model must share: the sha-256 of the projection and the training inputs' values."""
    state = sha256(np.ascontiguousarray(doubt.reference.projection, np.float32).tobytes())
    state.update(np.ascontiguousarray(doubt.reference.values, np.float32).tobytes())
    return state.hexdigest()


def of_file(file: Path, doubt: Doubt, *, false_alarm: float = FALSE_ALARM, seed: int = 0) -> Look:
    """Return a look at the statistics that a server wrote. Raises DataError for others, or too few inputs."""
    do = "Give the file that the server of this model wrote"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(must("--log", "a file that can be read", f"{file} ({error.strerror})", do)) from None
    return of_bytes(content, str(file), doubt, false_alarm=false_alarm, seed=seed)


def of_bytes(content: bytes, source: str, doubt: Doubt, *, false_alarm: float = FALSE_ALARM, seed: int = 0) -> Look:
    """Return a look at statistics; ``source`` is where they are from. Raises DataError for others, or too few."""
    do = "Give what the server of this model wrote"
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError):
        raise DataError(must("--log", "JSON of statistics", f"{source}, which is none", do)) from None
    if not isinstance(plain, Mapping) or plain.get("format") != FORMAT:
        raise DataError(must("--log", f"statistics of format {FORMAT}", f"{source}, which are not", do))
    if plain.get("model") != fingerprint(doubt):
        raise DataError(must("--log", "statistics of this model", f"{source}, of another", do))
    width = doubt.reference.values.shape[1]
    values, told = (_unpacked(plain.get(key), columns) for key, columns in (("values", width), ("told", 3)))
    if values is None or told is None or len(values) != len(told) or not np.isfinite(values).all():
        raise DataError(must("--log", "whole", f"{source}, which was changed or cut off", do))
    if len(values) < FEWEST:
        raise DataError(must("--log", f"of {FEWEST} inputs or more", f"{len(values)}", "Wait for more"))
    return compare(doubt, values, told, false_alarm, seed)


def _packed(values: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def _unpacked(text: object, columns: int) -> np.ndarray | None:
    """Return (n, columns) float32, or None for what is not such a table."""
    try:
        content = b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return None
    if not isinstance(text, str) or len(content) % (4 * columns):
        return None
    return np.frombuffer(content, "<f4").reshape(-1, columns)
