"""The recipe: every setting of a fit as a person asks for it, checked here and nowhere else."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from graft.errors import SettingError, must, unknown_name

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Plain = dict[str, Any]


def seconds(value: object) -> float:
    """Return a duration in seconds from ``90``, ``"90s"``, ``"15m"`` or ``"1.5h"``. Raises ValueError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(value))
    if found is None:
        raise ValueError("a duration such as 90s, 15m or 1h")
    return float(found[1]) * _UNITS[found[2] or "s"]


def listed(value: object) -> object:
    """Return ``"a,b"`` as ``["a", "b"]``, also within a list; nothing for None."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        return () if value is None else value
    return [name.strip() for one in parts for name in (one.split(",") if isinstance(one, str) else [str(one)]) if name]


class Recipe(BaseModel):
    """All that decides the outcome of a fit; the same recipe, data and machine give the same model."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    data: str = Field("", description="folder, CSV, JSONL or Parquet file with the labelled inputs")
    backbone: str = Field("auto", description="pretrained network; auto takes the packaged default of the modality")
    weights: str = Field("auto", description="auto, random, or a file of weights")
    strategy: str = Field("auto", description="way of adapting; auto climbs the ladder")
    head: str = Field("linear", description="what stands on the features: linear, mlp, conv or rnn")
    task: str = Field("classification", description="what is predicted: classification, multilabel or regression")
    settings: Plain = Field(default_factory=dict, description="settings of strategies and head, dotted keys")
    reader: str = Field("auto", description="how the data is read: auto, folder, csv, jsonl or parquet")
    input_column: str | None = Field(None, description="column of a table that holds the paths or texts")
    label_column: str | None = Field(None, description="column of a table that holds the labels, or several: a,b,c")
    group_column: str | None = Field(None, description="column whose equal values always share a part")
    beside: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        (), description="what stands beside the network's features: columns of the table and descriptors"
    )
    val_share: float = Field(0.15, gt=0, lt=1, description="share of the data to choose by, where none is given")
    test_share: float = Field(0.15, ge=0, lt=1, description="share of the data that is locked away for the end")
    augment: str = Field("auto", description="auto, a preset such as digits, none, or a list such as crop,flip,noise")
    views: int | None = Field(None, ge=1, le=64, description="stored views an input; none takes the strategy's own")
    cut: str | None = Field(
        None, coerce_numbers_to_str=True, description="where partial fine-tuning cuts: a number or a stage's name"
    )
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced weighs rare classes up")
    budget: Annotated[float, BeforeValidator(seconds)] = Field(900.0, gt=0, description="time to spend: 90s, 15m, 1h")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to compute")
    runtime: str = Field("auto", description="what runs the frozen part: auto, torch, openvino or onnxruntime")
    max_pixels: int = Field(100_000_000, ge=1, description="larger images are refused, as a guard against bombs")
    abstain: float | None = Field(
        None, gt=0, lt=1, description="share of accepted answers that may be wrong; none: also unsure ones are accepted"
    )
    keep_examples: int = Field(
        0, ge=0, le=2000, description="training examples that the model keeps as thumbnails or excerpts, to be shown"
    )
    slim: bool = Field(False, description="leave frozen weights out of the model folder and name their source")
    seed: int = Field(0, ge=0, lt=2**32, description="decides everything that is drawn at random")

    @classmethod
    def read(cls, file: Path | None = None, sets: Mapping[str, Any] | None = None, **flags: object) -> "Recipe":
        """Return the recipe from a YAML file, then ``key=value`` settings, then flags; later ones win.

        Raises SettingError with one sentence for each value that is wrong.
        """
        plain: Plain = dict(_yaml(file)) if file else {}
        for written in ("graft", "resolved"):
            plain.pop(written, None)
        settings = _mapping(plain.pop("settings", None))
        for key, value in (sets or {}).items():
            if key in cls.model_fields and key != "settings":
                plain[key] = value
            else:
                settings[key] = value
        plain.update({key: value for key, value in flags.items() if value is not None})
        plain["settings"] = {**settings, **_mapping(plain.get("settings"))}
        try:
            return cls(**plain)
        except ValidationError as error:
            raise SettingError("\n".join(cls._sentence(dict(fault)) for fault in error.errors())) from None

    @classmethod
    def _sentence(cls, fault: Plain) -> str:
        name = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            return str(unknown_name("a setting", name, cls.model_fields, "graft fit --help"))
        wanted = re.sub(r"^(Input|Value error,?) (should be )?", "", fault["msg"])
        wanted = wanted[0].lower() + wanted[1:]
        do = f"See `graft fit --help`: {name} means {cls.model_fields[name].description}"
        return must(name, wanted, repr(fault["input"]), do)

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of the data to train on, to choose by, and to lock away, where the person gave no parts."""
        return 1 - (self.val_share + self.test_share), self.val_share, self.test_share

    def to_yaml(self, **more: object) -> str:
        """Return the recipe as YAML, with the settings as they were resolved where ``more`` gives them."""
        from graft import __version__

        plain = {"graft": __version__, **self.model_dump(), **more}
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _yaml(file: Path) -> Plain:
    do = "Take a recipe.yaml that `graft fit` wrote, or see docs/recipe.md"
    try:
        plain = yaml.safe_load(file.read_text("utf-8"))
    except OSError:
        raise SettingError(must("--recipe", "a file that can be read", str(file), do)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        got = f"{file}: {' '.join(str(error).split())}"
        raise SettingError(must("--recipe", "a YAML file", got, do)) from None
    if not isinstance(plain, dict) or not all(isinstance(key, str) for key in plain):
        raise SettingError(must("--recipe", "a mapping of settings", f"a {type(plain).__name__}", do))
    return plain


def _mapping(settings: object) -> Plain:
    if settings is None:
        return {}
    if not isinstance(settings, Mapping) or not all(isinstance(key, str) for key in settings):
        do = "Write them such as {folds: 3, optimisation.epochs: 4}"
        raise SettingError(must("settings", "a mapping of names to values", repr(settings), do))
    return dict(settings)


def assignments(pairs: list[str]) -> Plain:
    """Return ``["a=1", "b.c=x"]`` as a mapping, values read as YAML scalars. Raises SettingError."""
    plain: Plain = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key.strip() and equals):
            raise SettingError(must("--set", "key=value", repr(pair), "Write it such as --set optimisation.epochs=4"))
        try:
            plain[key.strip()] = yaml.safe_load(text) if text.strip() else text
        except yaml.YAMLError:
            plain[key.strip()] = text
    return plain
