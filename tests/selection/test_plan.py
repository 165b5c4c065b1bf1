"""Every setting of a recipe reaches the plug-in that it is meant for, or is refused."""

import pytest

from graft import strategies
from graft.errors import SettingError, UnknownNameError
from graft.selection import plan
from graft.tasks.classification import Classification
from graft.tasks.regression import Regression


def settings_of(found):
    return dict(found.strategies)


def test_auto_plans_the_ladder_from_cheap_to_dear():
    names = [name for name, _ in plan("auto", "linear", {}).strategies]
    assert names == ["majority", "nearest_mean", "linear_probe", "partial", "full"]
    assert set(names) <= set(strategies.REGISTRY.names())
    assert "frozen_head" in [name for name, _ in plan("auto", "mlp", {}).strategies]


def test_a_single_strategy_comes_after_the_one_that_it_starts_from():
    assert [name for name, _ in plan("partial", "linear", {}).strategies] == ["linear_probe", "partial"]
    assert [name for name, _ in plan("linear_probe", "linear", {}).strategies] == ["linear_probe"]
    assert [name for name, _ in plan("nearest_mean", "linear", {}).strategies] == ["nearest_mean"]
    assert [name for name, _ in plan("full", "mlp", {}).strategies] == ["frozen_head", "full"]


def test_a_setting_goes_to_all_that_have_it_and_a_named_one_wins():
    given = {"optimisation.epochs": 7, "full.optimisation.epochs": 3, "folds": 4, "head.dropout": 0.25}
    found = plan("auto", "linear", given)
    own = settings_of(found)
    assert own["partial"].optimisation.epochs == 7
    assert own["full"].optimisation.epochs == 3
    assert own["linear_probe"].folds == 4
    assert found.head.dropout == 0.25
    # What is not named keeps the strategy's own default.
    assert own["partial"].optimisation.lr == strategies.REGISTRY.create("partial").optimisation.lr


def test_nested_mappings_do_as_well_as_dots():
    given = {"optimisation": {"epochs": 2}, "partial.regularisation": {"mixup": 0}}
    found = settings_of(plan("partial", "linear", given))
    assert found["partial"].optimisation.epochs == 2
    assert found["partial"].regularisation.mixup == 0


def test_views_are_for_what_is_trained_on_them():
    found = settings_of(plan("partial", "linear", {}, views=3, from_stage=None))
    assert (found["linear_probe"].views, found["partial"].views) == (1, 3)
    assert settings_of(plan("linear_probe", "linear", {}, views=3, from_stage=None))["linear_probe"].views == 3


def test_a_head_that_a_linear_strategy_cannot_fit_is_refused():
    for strategy in ("linear_probe", "nearest_mean"):
        with pytest.raises(SettingError, match=r"head must be linear with the strategy .+ Got 'mlp'\. .*frozen_head"):
            plan(strategy, "mlp", {})


def test_flags_reach_all_that_have_them_and_settings_win():
    found = settings_of(plan("auto", "linear", {"full.views": 1}, views=3, from_stage="2"))
    assert (found["partial"].views, found["full"].views, found["partial"].from_stage) == (3, 1, "2")
    assert settings_of(plan("auto", "linear", {}, views=None, from_stage=None))["partial"].from_stage is None


def test_a_task_has_its_own_rungs_and_settings():
    found = plan("auto", "linear", {"task.criterion": "huber"}, "regression")
    assert [name for name, _ in found.strategies] == ["majority", "linear_probe", "partial", "full"]
    assert found.task == Regression(criterion="huber")
    assert plan("auto", "linear", {}).task == Classification()


@pytest.mark.parametrize(
    ("task", "given", "said"),
    [
        ("regression", {"task.criterion": "mean"}, "'mse' or 'mae' or 'huber'"),
        ("regression", {"task.centre": 1.0}, "'centre'"),
        ("regression", {"task.criterium": "mae"}, "'criterion'"),
        ("classification", {"task.criterion": "mae"}, "left out with the task classification"),
    ],
)
def test_settings_that_a_task_has_not_are_refused(task, given, said):
    with pytest.raises(SettingError, match=r" must be .+\. Got .+\. .+[.?]") as caught:
        plan("auto", "linear", given, task)
    assert said in str(caught.value)


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_a_strategy_that_cannot_learn_a_task_is_refused(task):
    with pytest.raises(SettingError, match=f"one that can learn {task}"):
        plan("nearest_mean", "linear", {}, task)
    with pytest.raises(UnknownNameError, match="task must be a known name"):
        plan("auto", "linear", {}, f"{task}s")


@pytest.mark.parametrize(
    ("strategy", "given", "shared", "said"),
    [
        ("auto", {"optimisation.epoch": 3}, {}, "'optimisation.epochs'"),
        ("linear_probe", {"optimisation.epochs": 3}, {}, "'optimisation.epochs'"),
        ("partial", {"full.views": 3}, {}, "'full.views'"),
        ("auto", {"optimisation.epochs": 0}, {}, "epochs must be at least 1"),
        ("auto", {"head.nonsense": 0}, {}, "'nonsense'"),
        ("auto", {"folds": 1}, {}, "folds must be at least 2"),
        ("linear_probe", {}, {"from_stage": "2"}, "cut must be left out"),
        ("partial", {"stages": 2}, {"from_stage": "2"}, "the cut must be given once"),
        ("majority", {}, {}, "one that learns something"),
    ],
)
def test_what_fits_nowhere_is_refused(strategy, given, shared, said):
    with pytest.raises(SettingError, match=r" must be .+\. Got .+\. .+[.?]") as caught:
        plan(strategy, "linear", given, **shared)
    assert said in str(caught.value)


def test_all_faults_are_told_once():
    with pytest.raises(SettingError) as caught:
        plan("auto", "linear", {"nonsense": 1, "folds": 1, "optimisation.epochs": 0, "head.dropout": 2})
    said = str(caught.value).splitlines()
    assert len(said) == len(set(said))
    for piece in ("nonsense", "folds", "epochs", "dropout"):
        assert any(piece in line for line in said), piece


@pytest.mark.parametrize(("strategy", "head"), [("linear", "linear"), ("auto", "lin"), ("_probe", "linear")])
def test_unknown_names(strategy, head):
    with pytest.raises(UnknownNameError, match="must be a known name"):
        plan(strategy, head, {})
