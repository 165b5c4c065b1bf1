"""The tree of errors, and the one form that their messages have."""

import builtins
import inspect
import pickle

import pytest

from graft import errors
from graft.errors import GraftError, UnknownNameError, must, unknown_name

EVERY = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, GraftError)]


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = dict(line.split()[1:3] for line in errors.__doc__.splitlines() if line.startswith(("├", "└")))
    assert set(drawn) == {one.__name__ for one in EVERY} - {"GraftError"}
    for one in EVERY:
        if one is not GraftError:
            assert issubclass(one, getattr(builtins, drawn[one.__name__].strip("()")))
            assert one.__bases__[0] is GraftError


@pytest.mark.parametrize("one", EVERY)
def test_every_error_is_documented_and_says_its_sentence(one):
    assert one.__doc__
    error = one("X must be A. Got B. Do C.")
    assert str(error) == "X must be A. Got B. Do C."
    # Errors travel between processes, such as those of GridSearchCV(n_jobs=2).
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (one, str(error))


def test_the_form_of_messages():
    assert must("X", "A", "B", "Do C") == must("X", "A", "B", "Do C.") == "X must be A. Got B. Do C."
    assert must("X", "A", 3, "Why?") == "X must be A. Got 3. Why?"


KNOWN = ["resnet18", "resnet50", "vgg16", "optimisation.epochs", "regularisation.patience", "partial.views"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet19", "'resnet18'"),
        ("vgg", "'vgg16'"),
        ("epocs", "'optimisation.epochs'"),
        ("patiens", "'regularisation.patience'"),
        ("optimisation.epoch", "'optimisation.epochs'"),
    ],
)
def test_the_nearest_name_is_suggested(name, near):
    error = unknown_name("backbone", name, KNOWN, "graft list backbones")
    assert isinstance(error, UnknownNameError)
    assert f"Did you mean {near}" in str(error)
    assert f"Got {name!r}." in str(error)


def test_without_a_near_name_all_are_named_or_the_command_that_lists_them():
    assert "Take one of a1, b2." in str(unknown_name("head", "xyz", ["b2", "a1"], "graft list heads"))
    many = [f"name{number}" for number in range(40)]
    assert "`graft list heads` lists all 40." in str(unknown_name("head", "xyz", many, "graft list heads"))
    assert str(unknown_name("head", "xyz", [], "graft list heads"))
