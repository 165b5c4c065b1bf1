"""Reports and cards of models that answer with sets of labels or with numbers."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest
import yaml
from test_numbers import TASK as NUMBERS
from test_numbers import answers as numbers
from test_report import Page
from test_sets import TASK as SETS
from test_sets import answers as sets

from graft.evaluation import evaluate
from graft.evaluation.card import model_card
from graft.evaluation.report import render
from graft.evaluation.report.scatter import scatter


@pytest.fixture
def of_numbers(report):
    judged = evaluate(NUMBERS, *numbers(), temperature=0.5)
    ladder = tuple(replace(one, metric="r2") for one in report.ladder)
    mistakes = (replace(report.mistakes[0], truth="3.1", said="9.7", probability=None),)
    model = replace(report.model, classes=(), task="regression")
    return replace(report, model=model, evaluation=judged, ladder=ladder, mistakes=mistakes, curve=None, suspects=())


@pytest.fixture
def of_sets(report):
    judged = evaluate(SETS, *sets(), temperature=1.5)
    ladder = tuple(replace(one, metric="item_f1") for one in report.ladder)
    model = replace(report.model, classes=SETS.classes, task="multilabel")
    return replace(report, model=model, evaluation=judged, ladder=ladder, curve=None)


def test_a_report_of_numbers_is_whole(of_numbers):
    text = render(of_numbers)
    page = Page(text)
    assert page.open == []
    for said in ("gives a number for each input", "Answers and truth", "meant to hold the truth in 95 of 100", "9.7"):
        assert said in page.words
    for wrong in (" classes,", "Confusion", "was taken for", "was contradicted", "temperature scaling (T"):
        assert wrong not in page.words
    assert "Labels that are numbers are not checked" in page.words
    assert "none was drawn here" in page.words
    assert "R2 on 200 locked test examples" in page.words
    assert text.count('class="dot first"') >= 200
    values = [float(attributes["value"]) for tag, attributes in page.tags if tag == "data"]
    assert all(one.value in values for one in of_numbers.evaluation.metrics.values())


def test_a_report_of_sets_is_whole(of_sets):
    page = Page(render(of_sets))
    assert page.open == []
    for said in (
        "says which of 4 labels an input has",
        "F1 by input",
        "got all labels of",
        "Each label, weakest first",
    ):
        assert said in page.words
    assert "was taken for another class" not in page.words
    assert not any("matrix" in (a.get("class") or "") for t, a in page.tags if t == "svg")
    values = [float(attributes["value"]) for tag, attributes in page.tags if tag == "data"]
    for one in of_sets.evaluation.per_class:
        assert {one.recall.value, one.precision.value} <= set(values)


def test_cards_say_what_the_answers_are(of_numbers, of_sets):
    card = model_card(of_numbers)
    assert "It gives a number for each input." in card
    assert "one of its classes" not in card
    assert "| Mean absolute error |" in card
    data = yaml.safe_load(card.split("---")[1])
    assert "pipeline_tag" not in data
    card = model_card(of_sets)
    assert "It says which of 4 labels an input has: a, b, c, d." in card
    assert "an input may get none of them" in card
    assert yaml.safe_load(card.split("---")[1])["pipeline_tag"] == "image-classification"


@pytest.mark.parametrize(
    "pairs", [((1.0, 1.0),), ((0.0, 5.0), (2.0, -3.0)), tuple((float(one), 1.0) for one in range(9))]
)
def test_the_scatter_is_well_formed(pairs):
    root = ElementTree.fromstring(scatter(pairs, 0.7))
    assert root[0].tag.endswith("title")
    assert len([one for one in root.iter() if one.tag.endswith("circle")]) == len(pairs)
