"""What a report says, as plain values: ``render`` shows it, ``to_json`` writes it down."""

import dataclasses
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graft.evaluation.judged import Evaluation
from graft.evaluation.learning_curve import LearningCurve
from graft.types import Estimate, Finding


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What the model is."""

    backbone: str
    strategy: str
    classes: tuple[str, ...]
    cut: int
    n_stages: int
    parameters: int
    """Of the whole model."""
    trained_parameters: int
    """Of what is after the cut, head included."""
    weights_source: str
    """``package:...``, ``hub:...``, ``file:...`` or ``random:seed``."""
    weights_licence: str
    """SPDX name, or ``unknown``."""
    weights_sha256: str
    head: str = "linear"
    task: str = "classification"
    modality: str = "image"
    device: str = "cpu"
    runtime: str = "torch"
    hub_id: str | None = None
    """The backbone's name on the Hugging Face Hub, where it has one."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One step of the ladder."""

    strategy: str
    validation: Estimate
    """Accuracy, or the task's first metric, on validation data."""
    metric: str = "accuracy"
    """Which one it is."""
    kept: bool
    """True where it beat the rung below by more than chance."""
    p_value: float | None = None
    """Of the paired test against the last rung that was kept; None for the first."""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    shippable: bool = True
    """False for the rungs without a network, which only show the floor."""
    history: tuple[Mapping[str, float], ...] = ()
    """One mapping an epoch: ``epoch``, ``train_loss``, ``val_loss``, ``val_score``, ``lr``."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One wrong answer with its picture."""

    source: str
    truth: str
    said: str
    probability: float | None
    """That the model gave to what it said; None for a number."""
    picture: bytes | None = None
    """WebP, JPEG or PNG of what the network saw."""
    heat: bytes | None = None
    """The same with Grad-CAM laid over it."""
    sound: bytes | None = None
    """MP3 of what was heard."""
    text: str = ""
    """What there is to read, where the input is words."""
    marks: tuple[tuple[str, float], ...] = ()
    """The parts of the text in order, each with how much it spoke for the answer, -1 to 1."""


@dataclass(frozen=True, kw_only=True)
class Alike:
    """A set of inputs that are nearly the same."""

    files: tuple[str, ...]
    message: str
    pictures: tuple[bytes, ...] = ()
    """One a file, in their order, or fewer."""
    texts: tuple[str, ...] = ()
    """What there is to read, one a file, or none."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A label that out-of-fold answers contradict with confidence."""

    source: str
    label: str
    suggested: str
    probability: float
    """That the out-of-fold model gave to ``suggested``."""
    picture: bytes | None = None
    sound: bytes | None = None
    text: str = ""
    """What there is to read, where the input is words."""


@dataclass(frozen=True, kw_only=True)
class Doubts:
    """What the model does not know, and which answers are given."""

    sentences: tuple[str, ...]
    """What is promised, how it did, how well strange inputs are told."""
    curve: tuple[tuple[float, Estimate], ...] = ()
    """(share of answers given, error among them) on held-out answers, the surest first."""
    given: float | None = None
    """Share of held-out answers that the promise accepts."""
    asked: float | None = None
    """Share of them that may be wrong."""
    auroc: Mapping[str, Estimate] = field(default_factory=dict)
    """By score: how often a spoilt validation input scores above a plain one."""
    score: str = ""
    """The one that was chosen."""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """All that a report shows; sections without content say so in a sentence."""

    title: str
    model: ModelFacts
    evaluation: Evaluation
    """On the locked test part."""
    created: str = ""
    """Date and time, ISO 8601."""
    ladder: tuple[Rung, ...] = ()
    verdict: str = ""
    """The sentence whether fine-tuning was worth it."""
    curve: LearningCurve | None = None
    doubts: Doubts | None = None
    """None where the validation data were too few."""
    mistakes: tuple[Mistake, ...] = ()
    """The most confident first."""
    alike: tuple[Alike, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    """The most confident first."""
    findings: tuple[Finding, ...] = ()
    set_aside: tuple[tuple[str, str], ...] = ()
    """(file, reason) pairs."""
    recipe: str = ""
    """YAML with every value resolved."""
    data_fingerprint: str = ""
    """sha-256 over the hashes of all inputs with their labels."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """Examples in train, val and test."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """By phase, ``total`` last."""
    hardware: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    peak_rss_bytes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON data, pictures as ``data:`` addresses."""
        found = plain(self)
        return dict(found)


def picture_address(content: bytes) -> str:
    """Return a picture as a ``data:`` address. Raises ValueError unless it is WebP, JPEG or PNG."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "webp"
    elif content[:3] == b"\xff\xd8\xff":
        kind = "jpeg"
    elif content[:8] == b"\x89PNG\r\n\x1a\n":
        kind = "png"
    else:
        raise ValueError(f"a picture must be WebP, JPEG or PNG. Got {content[:8]!r}")
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def sound_address(content: bytes) -> str:
    """Return a sound as a ``data:`` address. Raises ValueError unless it is MP3."""
    if content[:3] != b"ID3" and (content[:1] != b"\xff" or content[1:2] < b"\xe0"):
        raise ValueError(f"a sound must be MP3. Got {content[:8]!r}")
    return f"data:audio/mpeg;base64,{b64encode(content).decode()}"


def address(content: bytes) -> str:
    """Return a picture or a sound as a ``data:`` address. Raises ValueError for anything else."""
    try:
        return picture_address(content)
    except ValueError:
        return sound_address(content)


def plain(value: Any) -> Any:
    """Return dataclasses, mappings, tuples, pictures and sounds as dicts, lists and strings that ``json`` takes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return address(value) if isinstance(value, bytes) else value
