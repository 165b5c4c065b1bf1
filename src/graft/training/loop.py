"""The one training loop: stages and a head on stored activations, back to the best weights that validation saw."""

import copy
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from graft.errors import DivergenceError, must
from graft.training import averaging, batches, checkpoint, depthwise, folding, guard, optimisers, precision, schedules
from graft.training.blind import Blind
from graft.training.fingerprint import fingerprint
from graft.training.mixing import mix
from graft.training.problem import Conditions, Model, Problem, Trained
from graft.training.settings import Numerics, Optimisation, Regularisation


class _OutOfTime(Exception):
    """The budget will not hold the rest of the epoch."""


def train(
    problem: Problem,
    optimisation: Optimisation,
    regularisation: Regularisation,
    numerics: Numerics,
    conditions: Conditions,
) -> Trained:
    """Train copies of the problem's modules and return the best weights, the starting ones among them.

    The same seed gives the same bits on the same machine; a run that was killed and is started again with the same
    checkpoint folder gives what it would have given. Raises DivergenceError after three returns in vain.
    """
    devices = [torch.device(conditions.device)] if conditions.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices), _settled():
        run = _Run(problem, optimisation, regularisation, numerics, conditions)
        run.begin()
        while run.goes_on():
            run.epoch()
        return run.result()


def _settled() -> Any:
    """Return the context in which CUDA's convolutions give the same bits every time."""
    return torch.backends.cudnn.flags(
        enabled=torch.backends.cudnn.enabled, benchmark=False, deterministic=True, allow_tf32=True
    )


class _Run:
    """One run's moving parts."""

    def __init__(
        self,
        problem: Problem,
        optimisation: Optimisation,
        regularisation: Regularisation,
        numerics: Numerics,
        conditions: Conditions,
    ) -> None:
        self.problem, self.conditions, self.numerics = problem, conditions, numerics
        self.optimisation, self.regularisation = optimisation, regularisation
        self.model = Model(copy.deepcopy(problem.stages), copy.deepcopy(problem.head)).to(conditions.device)
        self.model.requires_grad_(True)
        if regularisation.freeze_depthwise:
            depthwise.freeze(self.model.stages)
        self.store = checkpoint.Checkpoint(
            conditions.checkpoint,
            fingerprint(problem, self.model, (optimisation, regularisation, numerics), conditions.seed),
        )
        self.steps = batches.count(len(problem.train), optimisation.batch_size)
        self.choice = precision.Choice("float32", "contiguous")
        self.norms: dict[int, folding.Norm] | None = None
        self.best: dict[str, torch.Tensor] = {}
        self.history: list[dict[str, float]] = []
        self.notes: list[str] = []
        self.passing: list[str] = []
        self.data: dict[str, Any] = {
            "epoch": 0,
            "planned": optimisation.epochs,
            "rate": 1.0,
            "returns": 0,
            "best_epoch": 0,
            "best_score": -math.inf,
            "best_loss": math.inf,
            "start_loss": math.inf,
        }
        self.blind = Blind(problem.targets[problem.validation], self._judge, conditions.seed)
        self.stopped = False
        self.epoch_seconds = 0.0

    # -- the run ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Take up a saved state, or measure how steps run fastest and how good the start is."""
        saved = self.store.load()
        if isinstance(saved, checkpoint.State):
            self._take_up(saved)
            return
        if isinstance(saved, str):
            self.passing.append(f"A checkpoint was not used, since {saved}.")
        self._choose()
        self._plan()
        loss, score, logits = self._validate()
        self.data |= {"start_loss": loss, "best_loss": loss, "best_score": score}
        self.blind.see(logits)
        self._keep()

    def goes_on(self) -> bool:
        """Return whether another epoch is wanted and the budget holds it; a note is made where it does not."""
        if self.stopped or self._finished():
            return False
        if self.conditions.seconds_left() < self.epoch_seconds:
            self._stop()
            return False
        return True

    def _finished(self) -> bool:
        done, patience = self.data["epoch"], self.regularisation.patience
        return done >= self.data["planned"] or bool(patience and done - self.data["best_epoch"] >= patience)

    def epoch(self) -> None:
        """Train for one epoch, judge it, and go back to the best weights where it diverged."""
        begun = time.perf_counter()
        try:
            train_loss, rate = self._train_epoch()
        except _OutOfTime:
            self._stop()
            return
        val_loss, score, logits = self._validate() if math.isfinite(train_loss) else (math.nan, math.nan, None)
        data = self.data
        data["epoch"] += 1
        self.epoch_seconds = time.perf_counter() - begun
        record = {"epoch": float(data["epoch"]), "train_loss": train_loss, "val_loss": val_loss, "val_score": score}
        record |= {"lr": rate, "seconds": self.epoch_seconds}
        self.history.append(record)
        why = guard.diverged(
            train_loss=train_loss,
            val_loss=val_loss,
            score=score,
            start_loss=data["start_loss"],
            best=data["best_score"],
            chance=self.problem.chance,
        )
        if logits is not None and not why:
            self.blind.see(logits)
        if why:
            self._go_back(why)
        elif (score, -val_loss) > (data["best_score"], -data["best_loss"]):
            data |= {"best_epoch": data["epoch"], "best_score": score, "best_loss": val_loss}
            self._keep()
        self._save(force=self._finished())
        self.conditions.on_epoch(record)

    def result(self) -> Trained:
        """Return the best weights and what is known about the run."""
        self._restore()
        assert self.blind.logits is not None
        model = self.model.to("cpu").to(memory_format=torch.contiguous_format).eval().requires_grad_(False)
        if self.data["best_epoch"] == 0:
            self.notes.append("No epoch was better on validation data than the start, which was kept.")
        resolved = {
            "precision": self.choice.precision,
            "layout": self.choice.layout,
            "lr": self.optimisation.lr * self.data["rate"],
            "epochs": self.data["epoch"],
            "best_epoch": self.data["best_epoch"],
            "returns": self.data["returns"],
        }
        notes = (*self.passing, *self.notes)
        return Trained(model.stages, model.head, self.blind.logits, tuple(self.history), notes, resolved)

    # -- one epoch ----------------------------------------------------------------------------------------------

    def _train_epoch(self) -> tuple[float, float]:
        """Return the mean training loss, NaN as soon as it is not finite, and the head's last rate."""
        data, settings = self.data, self.optimisation
        number, done, pending = data["epoch"], 0, 0
        total, rate = 0.0, 0.0
        losses: list[torch.Tensor] = []
        self._prepare(self.model)
        weights = [p for group in self.optimiser.param_groups for p in group["params"]]
        begun = time.perf_counter()
        plan = batches.epoch(self.problem, self.conditions.seed, number, settings.batch_size, self.conditions.device)
        for step, (inputs, targets) in enumerate(plan):
            torch.manual_seed(_step_seed(self.conditions.seed, number, step))
            at = number * self.steps + step
            share = schedules.factor(settings.schedule, at, data["planned"] * self.steps, settings.warmup)
            rate = optimisers.set_rate(self.optimiser, share * data["rate"])
            losses.append(
                self._step(inputs, targets, weights, np.random.default_rng((self.conditions.seed, number, step, 1)))
            )
            done += 1
            if done % 8 == 0 or done == self.steps:
                total += torch.stack(losses[pending:]).sum().item()
                pending = len(losses)
                if not math.isfinite(total):
                    return math.nan, rate
            self.conditions.progress("training", at + 1, data["planned"] * self.steps)
            if (
                done >= 3
                and (time.perf_counter() - begun) / done * (self.steps - done) > self.conditions.seconds_left()
            ):
                raise _OutOfTime
        return total / done, rate

    def _step(
        self, inputs: torch.Tensor, targets: torch.Tensor, weights: list[nn.Parameter], draw: np.random.Generator
    ) -> torch.Tensor:
        settings = self.regularisation
        if settings.mixup > 0 or settings.cutmix > 0:
            inputs, targets = mix(
                inputs, self.problem.soft(targets), draw, mixup=settings.mixup, cutmix=settings.cutmix
            )
        if self.norms is None:
            self.norms = folding.find(self.model.stages, inputs[:2])
        with folding.Folding(self.norms):
            logits = self.choice.run(self.model, inputs)
        loss = self.problem.loss(logits, targets, settings.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip > 0:
            nn.utils.clip_grad_norm_(weights, settings.clip, foreach=True)
        self.optimiser.step()
        self.average.update()
        return loss.detach()

    def _validate(self) -> tuple[float, float, np.ndarray]:
        """Return loss, score and logits (n, outputs) float32 on the validation rows, view 0."""
        model = self.average.model.eval()
        rows = self.problem.validation
        found: list[torch.Tensor] = []
        size = max(64, self.optimisation.batch_size)
        with torch.inference_mode():
            for inputs, _ in batches.plain(self.problem, rows, size, self.conditions.device):
                found.append(self.choice.run(model, inputs).cpu())
        logits = torch.cat(found).numpy()
        score, gain = self._judge(logits, self.problem.targets[rows])
        return -gain, score, logits

    def _judge(self, logits: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """Return score and negative loss of logits (n, outputs)."""
        loss = self.problem.loss(torch.from_numpy(logits), torch.from_numpy(targets), 0.0).item()
        return self.problem.score(logits, targets), -loss

    # -- state --------------------------------------------------------------------------------------------------

    def _prepare(self, model: nn.Module) -> None:
        """Put into training mode; BatchNorm of the stages keeps its statistics where that is wanted."""
        model.train()
        if self.regularisation.freeze_norms and isinstance(model, Model):
            for module in model.stages.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def _choose(self) -> None:
        inputs, targets = next(
            batches.epoch(self.problem, self.conditions.seed, 0, self.optimisation.batch_size, self.conditions.device)
        )
        sample = precision.Sample(
            model=self.model,
            inputs=inputs,
            targets=targets,
            loss=lambda logits, right: self.problem.loss(logits, right, 0.0),
            prepare=self._prepare,
            steps=self.steps * self.optimisation.epochs,
        )
        self.choice = precision.choose(sample, self.numerics)
        self._ready()

    def _ready(self) -> None:
        """Put the model into its layout and make a fresh optimiser over it."""
        self.model.to(memory_format=self.choice.memory_format)
        found = optimisers.groups(self.model.stages, self.model.head, self.optimisation)
        self.optimiser = optimisers.build(found, self.optimisation.optimiser)
        self.average = averaging.Average(self.model, self.regularisation.averaging * self.steps)

    def _plan(self) -> None:
        """Shorten the schedule to what the budget holds, where a step's cost is known."""
        if self.choice.step_seconds is None:
            return
        self.epoch_seconds = self.choice.step_seconds * self.steps * 1.15
        fits = self.conditions.seconds_left() / max(self.epoch_seconds, 1e-9)
        if fits < self.data["planned"]:
            self.data["planned"] = max(1, int(fits))
            self.notes.append(
                f"The budget holds about {int(fits)} of {self.optimisation.epochs} epochs; the schedule was shortened."
            )

    def _stop(self) -> None:
        self.stopped = True
        self.passing.append(
            f"Training stopped after epoch {self.data['epoch']} of {self.data['planned']}: the budget was spent."
        )

    def _keep(self) -> None:
        self.best = {name: value.detach().clone() for name, value in self.average.model.state_dict().items()}

    def _restore(self) -> None:
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                value.copy_(self.best[name])
        self.average.reset()

    def _go_back(self, why: str) -> None:
        """Return to the best weights with a lower rate and an optimiser that remembers nothing."""
        data = self.data
        data["returns"] += 1
        data["rate"] *= guard.RATE_CUT
        said = f"In epoch {data['epoch']} {why}"
        if data["returns"] > guard.CHANCES:
            raise DivergenceError(
                must(
                    "lr",
                    "low enough for training to converge",
                    f"{said}, even at {data['rate'] / guard.RATE_CUT:.2g} of {self.optimisation.lr:g}",
                    "Take a tenth of it, or train fewer stages",
                )
            )
        self._restore()
        self._ready()
        self.notes.append(
            f"{said}: training went back to epoch {data['best_epoch']} and lowered the learning rate to "
            f"{self.optimisation.lr * data['rate']:.2g}."
        )

    def _save(self, *, force: bool) -> None:
        tensors, plain = checkpoint.pack(self.model, self.average.model, self.best, self.optimiser)
        assert self.blind.logits is not None
        self.store.save(
            {**tensors, "blind.logits": torch.from_numpy(self.blind.logits)},
            {
                **self.data,
                "blind": self.blind.marks,
                "history": self.history,
                "notes": self.notes,
                "optimiser": plain,
                "precision": self.choice.precision,
                "layout": self.choice.layout,
                "epoch_seconds": self.epoch_seconds,
            },
            force=force,
        )

    def _take_up(self, saved: checkpoint.State) -> None:
        data: Mapping[str, Any] = saved.data
        self.choice = precision.Choice(data["precision"], data["layout"])
        self._ready()
        self.best = checkpoint.unpack(saved, self.model, self.average.model, self.optimiser, data["optimiser"])
        self.data = {name: data[name] for name in self.data}
        self.blind.marks, self.blind.logits = data["blind"], saved.tensors["blind.logits"].numpy().copy()
        self.history, self.notes = list(data["history"]), list(data["notes"])
        self.epoch_seconds = data["epoch_seconds"]
        self.passing.append(f"Training was taken up again after epoch {data['epoch']}.")
        for record in self.history:
            self.conditions.on_epoch(record)


def _step_seed(seed: int, epoch: int, step: int) -> int:
    """Return the seed of a step's dropout."""
    return int(np.random.default_rng((seed, epoch, step, 2)).integers(0, 2**31))
