"""Features beside the network from the table to the answer: words, photos, recordings, and what goes wrong."""

import csv
import json

import numpy as np
import pytest
import yaml
from test_tickets import ABOUT

import graft as package
import sounds
import tiny_transformers
from graft import data
from graft.errors import DataError
from quick_fit import PROBE, QUICK, make_photos, one_thread, run_graft

PROBED = ("--runtime", "torch:float32", "--budget", "60s", "--strategy", "linear_probe")


def tickets(path, each=30):
    """Texts that say little, a price that says more, a shop, a number of the row, and a copy of the label."""
    draw = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "price", "shop", "row", "copy", "text_id", "mixed"])
        for number in range(3 * each):
            kind = number % 3
            label = list(ABOUT)[kind]
            words = f"{' '.join(draw.choice(tiny_transformers.WORDS, 4))} {number}"
            price = "" if number % 10 == 0 else f"{draw.normal(kind, 0.6):.3f}"
            shop = "" if number % 7 == 0 else "abc"[kind if draw.random() < 0.5 else draw.integers(3)]
            mixed = "cheap" if number == 1 else price
            writer.writerow([words, label, price, shop, number, f"is {label}", f"t{number}", mixed])
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    tiny_transformers.write(folder / "bert", "bert")
    tickets(folder / "tickets.csv")
    return folder


@pytest.fixture(scope="module")
def fused(home):
    """Return the folder of a model of words, two columns and TF-IDF, and what its fit printed."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        ran = run_graft(
            *("fit", home / "tickets.csv", "--out", home / "model", "--backbone", home / "bert", "--json"),
            *("--label", "label", "--with", "price,shop", "--with", "tfidf", *PROBED),
        )
    assert ran.code == 0, ran.err
    return home / "model", ran.json


def fit(graft, home, tmp_path, *words):
    return graft(
        *("fit", home / "tickets.csv", "--out", tmp_path / "m", "--backbone", home / "bert", "--label", "label"),
        *(*PROBED, *words),
    )


def test_the_ladder_shows_what_columns_add(fused):
    _, told = fused
    scores = {one["strategy"]: one["validation"]["accuracy"]["value"] for one in told["rungs"]}
    assert list(scores) == ["extra_features", "linear_probe", "joined_probe"]
    assert told["strategy"] == "joined_probe"
    last = told["rungs"][-1]
    assert last["kept"] and last["against"] == "linear_probe" and last["p_value"] < 0.05
    assert scores["joined_probe"] > scores["linear_probe"] + 0.1
    assert told["rungs"][0]["cut"] is None
    sentence = next(one for one in told["sentences"] if one.startswith("price, shop and tfidf beside the network"))
    assert "points" in sentence and sentence.endswith("This is more than chance.")


def test_the_manifest_and_the_recipe_say_what_was_joined(fused):
    folder, _ = fused
    manifest = json.loads((folder / "graft.json").read_text())
    assert [one["name"] for one in manifest["beside"]["features"]] == ["price", "shop", "tfidf"]
    assert len(manifest["beside"]["sha256"]) == 64
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert recipe["beside"] == ["price", "shop", "tfidf"]
    assert recipe["resolved"]["beside"] == {"price": "numbers", "shop": "categories", "tfidf": "descriptor"}
    assert not list(folder.glob("*.pkl"))


def test_a_loaded_model_answers_as_at_fit_time(fused, home, graft, tmp_path):
    """The test part's accuracy, measured again on the rows that fitting left out, is the one that was told."""
    folder, told = fused
    model = package.load(folder, runtime="torch:float32")
    rows = list(csv.DictReader((home / "tickets.csv").read_text().splitlines()))
    left = [one for one in rows if not model.seen(data.texts([one["text"]], "text"))]
    assert len(left) == told["test"]["accuracy"]["n"]
    columns = {name: [one[name] for one in left] for name in ("price", "shop")}
    answers = model.predict([one["text"] for one in left], columns=columns)
    right = np.mean([one.label == row["label"] for one, row in zip(answers, left, strict=True)])
    assert right == pytest.approx(told["test"]["accuracy"]["value"])
    again = model.save(tmp_path / "copy")
    copy = package.load(tmp_path / "copy", runtime="torch:float32")
    texts = [one["text"] for one in left]
    chances = model.predict_proba(texts, columns=columns)
    np.testing.assert_array_equal(copy.predict_proba(texts, columns=columns), chances)
    np.testing.assert_array_equal(again.predict_proba(texts[:1], columns=_first(columns)), chances[:1])
    table = graft("predict", folder, home / "tickets.csv", "--json").json["predictions"]
    by_row = {f"tickets.csv row {number + 1}": one for number, one in enumerate(rows)}
    for one in table:
        if by_row[one["input"]] in left:
            at = left.index(by_row[one["input"]])
            assert (one["label"], one["probability"]) == (answers[at].label, pytest.approx(answers[at].probability))


def _first(columns):
    return {name: values[:1] for name, values in columns.items()}


def test_columns_matter_and_may_be_missing(fused, graft):
    folder, _ = fused
    asked = ("predict", folder, "--json", "--text", "my card")
    low = graft(*asked, "--with-value", "price=0", "--with-value", "shop=a").json["predictions"][0]
    high = graft(*asked, "--with-value", "price=2", "--with-value", "shop=c").json["predictions"][0]
    assert low["label"] != high["label"]
    assert graft(*asked, "--with-value", "price=", "--with-value", "shop=never seen").json["predictions"]


def test_evaluate_takes_the_columns_of_the_table(fused, home, graft):
    told = graft("evaluate", fused[0], home / "tickets.csv", "--label", "label", "--json").json
    assert told["test"]["accuracy"]["n"] == 90


def test_features_of_the_network_need_no_columns(fused):
    model = package.load(fused[0], runtime="torch:float32")
    assert model.columns == ("price", "shop")
    assert model.embed(["my card"]).shape == (1, 16)
    with pytest.raises(DataError, match="without 'price' and 'shop'"):
        model.predict(["my card"])


def test_what_lacks_a_column_is_refused(fused, graft, tmp_path):
    folder, _ = fused
    (tmp_path / "less.csv").write_text("text,label,price\nmy card,card,1\n")
    for words in (("predict", folder, tmp_path / "less.csv"), ("evaluate", folder, tmp_path / "less.csv")):
        said = graft(*words).complaint
        assert "must be given with the columns 'price' and 'shop'" in said
        assert "Got 'less.csv row 1' without 'shop'." in said
    assert "Got 'my card' without 'price' and 'shop'" in graft("predict", folder, "--text", "my card").complaint


def test_a_cell_of_the_wrong_type_sets_its_row_aside(fused, graft, tmp_path):
    folder, _ = fused
    (tmp_path / "odd.csv").write_text("text,price,shop\nmy card,1,a\nmy card,cheap,a\nmy card,inf,a\nmy card,,\n")
    told = graft("predict", folder, tmp_path / "odd.csv", "--json").json
    assert [one["input"] for one in told["predictions"]] == ["odd.csv row 1", "odd.csv row 4"]
    assert [one["message"].split("Got ")[1][:7] for one in told["set_aside"]] == ["'cheap'", "'inf'. "]


def test_values_are_checked(fused, graft):
    asked = ("predict", fused[0], "--text", "my card")
    assert "Did you mean 'price'" in graft(*asked, "--with-value", "prize=3").complaint
    assert "--with-value must be column=value" in graft(*asked, "--with-value", "price").complaint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--with", "prise"), "Did you mean 'price'"),
        (("--with", "tfdif"), "Did you mean 'tfidf'"),
        (("--with", "hog"), "--with for text: a further column or a descriptor must be a known name. Got 'hog'"),
        (("--with", "row"), "Is this an id?"),
        (("--with", "text_id"), "Is this an id?"),
        (("--with", "mixed"), "must be all numbers or all words"),
        (("--with", "price,price"), "'price' twice"),
        (("--with", "price", "--head", "rnn", "--strategy", "frozen_head"), "What is joined by --with must be a probe"),
        (("--with", "price", "--strategy", "partial"), "Take auto or linear_probe, or leave --with out"),
    ],
)
def test_what_cannot_be_joined_is_refused(home, graft, tmp_path, words, said):
    assert said in fit(graft, home, tmp_path, *words).complaint


def test_infinite_numbers_are_refused(home, graft, tmp_path):
    text = (home / "tickets.csv").read_text().splitlines()
    text[3] = f"some words,card,inf,{text[3].split(',', 3)[3]}"
    (tmp_path / "inf.csv").write_text("\n".join(text))
    ran = graft(
        *("fit", tmp_path / "inf.csv", "--out", tmp_path / "m", "--backbone", home / "bert", "--label", "label"),
        *(*PROBED, "--with", "price"),
    )
    assert "Column 'price' must be finite numbers up to 1e+100. Got 'inf'." in ran.complaint


def test_a_column_that_tells_the_label_is_warned_of(home, graft):
    asked = ("inspect", home / "tickets.csv", "--label", "label", "--json")
    found = graft(*asked, "--with", "copy").json["findings"]
    (telling,) = [one for one in found if one["kind"] == "telling_column"]
    assert telling["severity"] == "warning" and "Column 'copy' alone tells the label" in telling["message"]
    found = graft(*asked, "--with", "price,shop").json["findings"]
    assert not [one for one in found if one["kind"] == "telling_column"]


def test_the_whole_ladder_says_that_fine_tuning_is_without_them(home, graft, tmp_path):
    source = tickets(tmp_path / "many.csv", each=100)
    ran = graft(
        *("fit", source, "--out", tmp_path / "m", "--backbone", home / "bert", "--label", "label"),
        *("--with", "shop", "--json", "--runtime", "torch:float32", "--budget", "60s", "--views", "1"),
        *("--set", "partial.optimisation.epochs=1", "--set", "full.optimisation.epochs=1"),
    )
    told = ran.json
    names = [one["strategy"] for one in told["rungs"]]
    assert names[:6] == [
        *("majority", "simple_features", "extra_features", "nearest_mean", "linear_probe", "joined_probe"),
    ]
    assert "partial" in names
    assert any("are without shop: their heads see the network alone" in one for one in told["sentences"])


def test_photos_with_columns_and_colours(graft, tmp_path):
    photos = make_photos(tmp_path / "photos", each=16)
    draw = np.random.default_rng(0)
    rows = ["path,label,weight"]
    rows += [
        f"{file.relative_to(tmp_path)},{file.parent.name},{int(file.parent.name[-1]) + draw.normal():.3f}"
        for file in sorted(photos.rglob("*.*"))
    ]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    words = ("--with", "weight", "--with", "colour,hog")
    told = graft("fit", tmp_path / "t.csv", "--out", tmp_path / "m", "--json", *PROBE, *words).json
    assert [one["strategy"] for one in told["rungs"]] == ["extra_features", "linear_probe", "joined_probe"]
    if told["strategy"] == "joined_probe":
        assert "weight" in graft("predict", tmp_path / "m", photos / "class0").complaint
        told = graft("predict", tmp_path / "m", photos / "class0", "--with-value", "weight=0", "--json").json
        assert len(told["predictions"]) == 16


def test_recordings_with_mfcc(graft, tmp_path):
    folder = sounds.make_sounds(tmp_path / "data", each=20)
    asked = ("fit", folder, "--out", tmp_path / "m", "--json", *QUICK, "--strategy", "linear_probe", "--with", "mfcc")
    told = graft(*asked).json
    assert [one["strategy"] for one in told["rungs"]] == ["extra_features", "linear_probe", "joined_probe"]
    assert told["rungs"][0]["validation"]["accuracy"]["value"] > 0.8
    assert len(graft("predict", tmp_path / "m", folder / "class0", "--json").json["predictions"]) == 20
    said = graft(*asked[:-1], "price").complaint
    assert "Got 'price'. Take one of mfcc, simple_features." in said


def test_a_recipe_names_them_and_so_does_the_estimator(home):
    rows = list(csv.DictReader((home / "tickets.csv").read_text().splitlines()))
    texts, labels = [one["text"] for one in rows], [one["label"] for one in rows]
    settings = {"runtime": "torch:float32", "beside": ["length", "tfidf"]}
    made = package.Classifier(backbone=str(home / "bert"), settings=settings).fit(texts, labels)
    names = [one["strategy"] for one in made.model_.manifest["rungs"]]
    assert names == ["extra_features", "linear_probe", "joined_probe"]
    assert set(made.predict(texts[:5])) <= set(labels)
