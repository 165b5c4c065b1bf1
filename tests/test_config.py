"""The recipe: from where a value comes, which values are refused, and the file that it is written to."""

import pytest
import yaml

from graft.config import Recipe, assignments, seconds
from graft.errors import SettingError


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "recipe.yaml").write_text(text, "utf-8")
        return tmp_path / "recipe.yaml"

    return write


def test_later_ones_win(file):
    written = file("seed: 1\nviews: 2\nbudget: 1h\nsettings: {a: 1, b: 1}\n")
    found = Recipe.read(written, {"views": 3, "b": 2, "c.d": 2, "budget": "2h"}, budget="3h", weights=None)
    assert (found.seed, found.views, found.budget, found.weights) == (1, 3, 10800.0, "auto")
    assert found.settings == {"a": 1, "b": 2, "c.d": 2}
    found = Recipe.read(written, {"a": 2}, settings={"a": 3})
    assert found.settings == {"a": 3, "b": 1}


def test_what_is_written_is_read_again(file):
    recipe = Recipe.read(
        data="ein Ordner/猫: #1", budget="90s", cut="layer4", settings={"partial.optimisation.lr": 1e-3}, seed=5
    )
    written = recipe.to_yaml(resolved={"cut": 4})
    assert yaml.safe_load(written)["resolved"] == {"cut": 4}
    assert yaml.safe_load(written)["graft"]
    assert Recipe.read(file(written)) == recipe


@pytest.mark.parametrize(
    ("given", "found"), [("90", 90), ("90s", 90), (" 15 m ", 900), ("1.5h", 5400), ("2d", 172800), (3, 3), (0.5, 0.5)]
)
def test_durations(given, found):
    assert seconds(given) == found
    assert Recipe.read(budget=given).budget == found


@pytest.mark.parametrize("given", ["soon", "1w", "-3", "", "1h30m", "nan", None, "0", 0])
def test_other_durations_are_refused(given):
    with pytest.raises(SettingError, match="budget must be"):
        Recipe.read(sets={"budget": given})


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"seed": "x"},
        {"seed": 2**32},
        {"views": 0},
        {"views": 65},
        {"val_share": 1},
        {"test_share": -0.1},
        {"device": "gpu"},
        {"class_weights": "heavy"},
        {"max_pixels": 0},
        {"slim": "perhaps"},
        {"cut": [1]},
        {"data": 3},
        {"settings": "none"},
        {"settings": {3: 4}},
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_it(wrong):
    with pytest.raises(SettingError) as caught:
        Recipe.read(**wrong)
    said = str(caught.value)
    assert said.startswith(f"{next(iter(wrong))} must be ")
    assert "\n" not in said
    assert ". Got " in said


def test_every_fault_is_told_and_unknown_names_suggest_the_nearest():
    with pytest.raises(SettingError) as caught:
        Recipe.read(seed=-1, bakbone="x", device="gpu")
    said = str(caught.value).splitlines()
    assert len(said) == 3
    assert any("'backbone'" in one for one in said)


def test_a_key_that_is_no_field_is_a_setting_of_a_plug_in():
    found = Recipe.read(sets={"optimisation.epochs": 3, "seed": 4})
    assert (found.settings, found.seed) == ({"optimisation.epochs": 3}, 4)


def test_the_recipe_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Recipe().seed = 3


def test_every_field_says_what_it_means():
    assert all(field.description for field in Recipe.model_fields.values())


def test_assignments_are_yaml_scalars():
    pairs = ["a=1", "b.c=x y", "d=", "e=true", "f=[1, 2]", "g=a: b: c", "h==", "i=1e-3", "j=1.0e-3", "k=none", "l=null"]
    found = assignments(pairs)
    assert found["a"] == 1
    assert found["b.c"] == "x y"
    assert found["d"] == ""
    assert found["e"] is True
    assert found["f"] == [1, 2]
    assert found["g"] == "a: b: c"
    assert found["h"] == "="
    assert float(found["i"]) == found["j"] == 0.001
    assert (found["k"], found["l"]) == ("none", None)


@pytest.mark.parametrize("pair", ["a", "=1", " =1", ""])
def test_what_is_no_assignment(pair):
    with pytest.raises(SettingError, match="--set must be key=value"):
        assignments([pair])


@pytest.mark.parametrize("text", ["- a", "3: 4", "{", "text", "\0", "a: !!python/object:os.system x", ""])
def test_what_is_no_recipe(file, text):
    if text == "":
        with pytest.raises(SettingError, match="a mapping of settings"):
            Recipe.read(file(text))
        return
    with pytest.raises(SettingError, match="--recipe must be"):
        Recipe.read(file(text))


def test_a_recipe_that_is_not_text_or_not_there(tmp_path):
    (tmp_path / "recipe.yaml").write_bytes(b"\xff\xfe\xff")
    for path in (tmp_path / "recipe.yaml", tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(SettingError, match="--recipe must be"):
            Recipe.read(path)
