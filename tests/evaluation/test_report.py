"""The report: self-contained, escaped, whole, and its numbers are those of the data."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from judged_cases import CLOTHES, HOSTILE

from graft.evaluation.report import SECTIONS, ReportData, render
from graft.evaluation.report.content import picture_address

VOID = {"meta", "img", "br", "line", "rect", "circle", "polyline", "link", "hr", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every element closed in order, attributes and text kept."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return "".join(self.text).replace("\u00a0", " ")


@pytest.fixture(scope="module", params=["report", "hostile_report", "many_report"])
def page(request) -> Page:
    return Page(render(request.getfixturevalue(request.param)))


def test_every_element_is_closed(page):
    assert page.open == []


def test_nothing_is_loaded(page):
    names = {name for tag, attributes in page.tags for name in attributes}
    assert not any(name.startswith("on") for name in names)
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, name, value[:60])
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_the_style_loads_nothing(report):
    style = re.search(r"<style>(.*?)</style>", render(report), re.S)[1]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_every_section_is_there_and_in_the_contents(page):
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert sections == [key for key, _ in SECTIONS]
    assert links == [f"#{key}" for key in sections]


def test_an_empty_report_still_has_every_section(report):
    bare = ReportData(title="bare", model=report.model, evaluation=report.evaluation)
    words = Page(render(bare)).words
    assert "No learning curve was made" in words
    assert "nothing was compared" in words
    assert "Every file could be used" in words


def test_drawings_are_well_formed(report, hostile_report, many_report):
    for data in (report, hostile_report, many_report):
        drawings = re.findall(r"<svg.*?</svg>", render(data), re.S)
        assert len(drawings) > 20
        for drawing in drawings:
            root = ElementTree.fromstring(drawing)
            assert root[0].tag.endswith("title")
            assert root[0].text


def test_hostile_names_are_shown_not_obeyed(hostile_report):
    text = render(hostile_report)
    assert "<img src=x" not in text
    assert "<svg/onload" not in text
    assert "\u202e" not in text
    assert "\x00" not in text
    page = Page(text)
    assert "{{ 7*7 }}" in page.words
    assert '<img src=x onerror="alert(1)">&\\u202e\\u0000\\u000a' in page.words
    assert HOSTILE not in page.words


def test_numbers_are_those_of_the_data(report):
    page = Page(render(report))
    values = [float(attributes["value"]) for tag, attributes in page.tags if tag == "data"]
    for one in report.evaluation.metrics.values():
        assert one.value in values
    for one in report.evaluation.per_class:
        assert {one.recall.value, one.precision.value, one.f1.value} <= set(values)
    for rung in report.ladder:
        assert rung.validation.value in values
        assert rung.p_value is None or rung.p_value in values
    assert {report.evaluation.temperature, 0.97, 0.93, *report.seconds.values()} <= set(values)
    accuracy = report.evaluation["accuracy"]
    assert f"{100 * accuracy.value:.1f} %" in page.words
    assert f"{100 * accuracy.low:.1f} – {100 * accuracy.high:.1f} %" in page.words
    for said in (report.verdict, report.curve.sentence, report.data_fingerprint, report.evaluation.fingerprint):
        assert said in page.words


def test_confusions_are_those_of_the_data(report):
    titles = re.findall(r"<title>(\d+) of (\d+) (\S+) taken for (\S+)</title>", render(report))
    matrix = report.evaluation.confusion
    expected = {
        (str(times), str(sum(matrix[row])), CLOTHES[row], CLOTHES[column])
        for row in range(10)
        for column, times in enumerate(matrix[row])
        if times
    }
    assert set(titles) == expected


def test_many_classes_get_pairs_for_a_matrix(many_report, report):
    many, few = Page(render(many_report)), Page(render(report))
    assert not any("matrix" in (a.get("class") or "") for t, a in many.tags if t == "svg")
    assert any("matrix" in (a.get("class") or "") for t, a in few.tags if t == "svg")
    assert "Most often confused" in many.words
    assert "The other 130 classes" in many.words
    assert len(render(many_report)) < 3_000_000


def test_pictures_are_shown_with_words_for_those_who_do_not_see(report):
    pictures = [attributes for tag, attributes in Page(render(report)).tags if tag == "img"]
    assert len(pictures) == 5
    assert all(one["alt"] for one in pictures)


def test_too_many_pictures_are_left_out_and_counted(report):
    large = b"\xff\xd8\xff" + bytes(700_000)
    heavy = replace(report, mistakes=tuple(replace(report.mistakes[0], picture=large, heat=large) for _ in range(4)))
    text = render(heavy)
    assert len(text) < 3_000_000
    assert "pictures left out to keep the file small" in text


def test_bytes_that_are_no_picture_are_not_embedded(report):
    with pytest.raises(ValueError, match="must be WebP, JPEG or PNG"):
        picture_address(b"<svg onload=alert(1)>")
    odd = replace(report, mistakes=(replace(report.mistakes[0], picture=b"<svg onload=alert(1)>", heat=None),))
    assert "1 picture left out" in render(odd)


def test_the_same_data_gives_the_same_page(report):
    assert render(report) == render(report)


def test_the_data_is_plain_json(report):
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["evaluation"]["metrics"]["accuracy"] == report.evaluation["accuracy"].to_json()
    assert data["mistakes"][0]["picture"].startswith("data:image/")
    assert data["model"]["classes"] == list(CLOTHES)
