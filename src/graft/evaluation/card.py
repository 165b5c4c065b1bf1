"""The model card: README.md of the model folder, in the form that the Hugging Face Hub reads."""

import re

from graft.evaluation.judged import Evaluation
from graft.evaluation.metrics import TITLES
from graft.evaluation.report import forms
from graft.evaluation.report.content import ReportData
from graft.evaluation.report.words import count, plural, shown

_HUB_METRICS = {"macro_f1": "f1", "calibration_error": "ece"}
"""Where the Hub has another name for a metric."""
_LICENCES = ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "unknown",
             "cc-by-nc-4.0", "openrail", "gpl-3.0", "lgpl-3.0", "mpl-2.0", "isc", "unlicense")  # fmt: skip
_PIPELINES = {("classification", "image"): "image-classification", ("multilabel", "image"): "image-classification",
              ("multilabel", "text"): "text-classification", ("multilabel", "audio"): "audio-classification",
              ("classification", "text"): "text-classification",
              ("classification", "audio"): "audio-classification",
              ("classification", "video"): "video-classification",
              ("multilabel", "video"): "video-classification"}  # fmt: skip


def model_card(data: ReportData) -> str:
    """Return README.md: YAML metadata with the test results, then what the model is, is good for, and is not.

    Reads back with ``huggingface_hub.ModelCard``; nothing is asked of the network. The licence is that of the
    pretrained weights, of which the model is made. Source: https://huggingface.co/docs/hub/model-cards
    """
    # Imported here: it takes half a second, and only fitting writes cards.
    from huggingface_hub import ModelCardData

    model, licence = data.model, data.model.weights_licence.lower()
    known = licence in _LICENCES
    pipeline = _PIPELINES.get((model.task, model.modality))
    facts = ModelCardData(
        license=licence if known else "other",
        license_name=None if known else _slug(licence),
        library_name="graft",
        tags=["graft", "transfer-learning", model.strategy.replace("_", "-"), *([pipeline] if pipeline else [])],
        pipeline_tag=pipeline,
        base_model=model.hub_id,
        metrics=list(dict.fromkeys(_HUB_METRICS.get(name, name) for name in data.evaluation.metrics)),
        model_name=_slug(data.title),
        eval_results=_results(data, pipeline or model.task),
    )
    return f"---\n{facts.to_yaml()}\n---\n\n{_text(data)}"


def _results(data: ReportData, task: str) -> list[object]:
    from huggingface_hub import EvalResult

    title = shown(data.title) or "data"
    return [
        EvalResult(
            task_type=task,
            dataset_type=_slug(data.title),
            dataset_name=title,
            dataset_split="test",
            dataset_revision=data.evaluation.fingerprint or None,
            metric_type=_HUB_METRICS.get(name, name),
            metric_name=TITLES[name],
            metric_value=round(one.value, 6),
            metric_args={"low": round(one.low, 6), "high": round(one.high, 6), "n": one.n, "level": 0.95},
        )
        for name, one in data.evaluation.metrics.items()
    ]


def _text(data: ReportData) -> str:
    model, shown_on = data.model, data.evaluation
    classes = ", ".join(_inline(name) for name in model.classes[:60])
    more = f" and {len(model.classes) - 60} more" if len(model.classes) > 60 else ""
    strategy = model.strategy.replace("_", " ")
    parts = [
        f"# {_inline(data.title)}",
        f"{'An' if model.modality[:1] in 'aeiou' else 'A'} {model.modality} {model.task} model made with Graft: "
        f"`{_code(model.backbone)}`, cut at stage {model.cut} of {model.n_stages}, adapted by {_inline(strategy)} with "
        f"a {_inline(model.head)} head. {count(model.trained_parameters)} of its {count(model.parameters)} parameters "
        "were trained.",
        f"It {forms.does(data)}" + (f": {classes}{more}." if classes else "."),
        "## How good it is",
        f"Measured once on {plural(shown_on.n, 'test example')} that nothing was trained or chosen by. The intervals "
        "hold the true value in 95 of 100 such tests, for inputs like these.",
        _table(shown_on),
        *(_inline(note) for note in shown_on.notes),
        *([_inline(data.verdict)] if data.verdict else []),
        "`report.html` beside this file shows the rest: the ladder, confusions, calibration and mistakes as pictures.",
        "## Data",
        _data(data),
        *(["## What it does not know", *map(_inline, data.doubts.sentences)] if data.doubts else []),
        "## Intended use and limits",
        "- For inputs like those it was measured on. Other cameras, places or times can lower every number above: "
        "`graft evaluate MODEL NEW_DATA/` measures that.\n"
        + "".join(f"- {_inline(one)}\n" for one in forms.limits(data))
        + "- The pretrained weights bring their own leanings and their own licence "
        f"({_inline(model.weights_licence)}; {_inline(model.weights_source)}).",
        "## How to use it",
        '```python\nimport graft\n\nmodel = graft.load("MODEL")\nmodel.predict(["a.jpg"])\n```',
        "```\ngraft predict MODEL a.jpg\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _table(evaluation: Evaluation) -> str:
    rows = [
        f"| {TITLES[name]} | {one.value:.4f} | {one.low:.4f} to {one.high:.4f} | {one.n} |"
        for name, one in evaluation.metrics.items()
    ]
    return "\n".join(["| metric | value | 95 % interval | n |", "| --- | ---: | ---: | ---: |", *rows])


def _data(data: ReportData) -> str:
    sizes = ", ".join(f"{count(size)} {_inline(part)}" for part, size in data.parts.items()) or "sizes not recorded"
    lines = [f"- examples: {sizes}"]
    for title, value in (("all data", data.data_fingerprint), ("test part", data.evaluation.fingerprint)):
        lines.append(f"- sha-256 of {title}: `{_code(value)}`" if value else f"- sha-256 of {title}: not recorded")
    lines.append(f"- sha-256 of the pretrained weights: `{_code(data.model.weights_sha256)}`")
    return "\n".join(lines)


def _inline(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML, no line feed."""
    return re.sub(r"([\\`*_\[\]<>|#~$&])", r"\\\1", shown(text))


def _code(text: str) -> str:
    """Return text for a code span."""
    return shown(text).replace("`", "'")


def _slug(text: str) -> str:
    """Return text as a name that the Hub takes."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "model"
