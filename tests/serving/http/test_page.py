"""The page in a real browser: a photo dropped, a wrong key, a file that is too large, a phone, two languages."""

import base64
import shutil

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from nets import BLOCKS, KEY, colour_net, letter_net, picture, priced_net, running, spotted  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PHONE = {"width": 390, "height": 844}
SHOP = {"kind": "categories", "name": "shop", "known": ["corner", "market"], "width": 4, "factor": 9.0}
DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0)), carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type }));
  document.querySelector("#drop").dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: carried }));
}"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    home = tmp_path_factory.mktemp("nets")
    sources = {
        "colours": colour_net(home / "colours.onnx", examples=True),
        "letters": letter_net(home / "letters.onnx", examples=True),
        "priced": priced_net(home / "priced.onnx", [*BLOCKS, SHOP]),
    }
    with running(sources, bytes=200_000) as (client, _):
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser):
    """Return a tab as wide as a phone; whatever its console says of a fault of the page fails the test."""
    opened = browser.new_context(viewport=PHONE, locale="en-US")
    tab = opened.new_page()
    faults = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    yield tab
    opened.close()
    assert not faults
    assert all(one.startswith(("http://127.0.0.1", "blob:", "data:")) for one in asked)


def dropped(page, name, kind, content):
    page.evaluate(DROP, [name, kind, base64.b64encode(content).decode()])


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_photo_that_is_dropped_is_answered(page, address):
    page.goto(f"{address}/#{KEY}")
    page.wait_for_selector("#drop")
    assert KEY not in page.url
    for colour in ("green", "blue"):
        dropped(page, f"a-very-long-name-of-a-photo-{'x' * 60}-{colour}.png", "image/png", picture(colour))
        playwright.expect(page.locator("#label")).to_have_text(colour)
    assert page.locator("#bars li").count() == 3
    assert page.locator("#shown img").count() == 1
    assert page.locator("#past li").count() == 2
    assert fits(page)


def test_a_wrong_key_is_told_of_and_a_right_one_opens(page, address):
    page.goto(address)
    page.fill("#key", "wrong")
    page.click("#lock button")
    page.wait_for_selector("#trouble:not([hidden])")
    assert "key" in page.inner_text("#trouble")
    assert page.locator("#work").is_hidden()
    page.fill("#key", KEY)
    page.click("#lock button")
    page.wait_for_selector("#drop")
    assert page.locator("#trouble").is_hidden()
    page.reload()
    page.wait_for_selector("#drop")


def test_what_is_too_large_or_no_picture_is_told_of(page, address):
    page.goto(f"{address}/#{KEY}")
    page.wait_for_selector("#drop")
    page.set_input_files("#file", {"name": "big.png", "mimeType": "image/png", "buffer": b"x" * 300_000})
    page.wait_for_selector("#trouble:not([hidden])")
    assert "300 kB" in page.inner_text("#trouble")
    dropped(page, "bad.png", "image/png", b"no picture")
    playwright.expect(page.locator("#trouble")).to_contain_text("JPEG")
    assert page.locator("#answer").is_hidden()
    assert fits(page)


def test_a_text_is_typed_and_the_page_speaks_chinese(page, address):
    page.goto(f"{address}/#{KEY}")
    page.wait_for_selector("#drop")
    page.select_option("#models", "letters")
    page.fill("#text", "LOUD WORDS")
    page.click("#words button")
    playwright.expect(page.locator("#label")).to_have_text("capitals")
    page.click("#language")
    assert page.inner_text("#words button") == "提问"
    assert "概率" in page.inner_text("#sure")
    assert page.get_attribute("html", "lang") == "zh-CN"
    assert fits(page)


def test_what_an_answer_hangs_on_is_shown(page, address):
    page.goto(f"{address}/#{KEY}")
    page.wait_for_selector("#drop")
    dropped(page, "green.png", "image/png", picture("green"))
    playwright.expect(page.locator("#label")).to_have_text("green")
    page.click("#explain")
    # One colour everywhere: hiding a part by the picture's mean changes nothing.
    playwright.expect(page.locator("#meaning")).to_have_text("No single part decides the answer.")
    assert page.locator("#explain").is_hidden()
    dropped(page, "spot.png", "image/png", spotted())
    page.wait_for_selector("#explain:not([hidden])")
    assert page.locator("#why").is_hidden()
    page.click("#explain")
    page.wait_for_selector("#map:not([hidden])")
    page.click("#language")
    assert "越亮" in page.inner_text("#meaning")
    page.click("#language")
    page.select_option("#models", "letters")
    page.fill("#text", "zzzz AA zzz")
    page.click("#words button")
    playwright.expect(page.locator("#label")).to_have_text("small letters")
    page.click("#explain")
    playwright.expect(page.locator("#pieces span")).to_have_count(3)
    assert "leaf" in page.locator("#pieces span").first.get_attribute("style")
    assert fits(page)


def test_training_examples_are_shown_beside_the_answer(page, address):
    page.goto(f"{address}/#{KEY}")
    page.wait_for_selector("#drop")
    dropped(page, "blue.png", "image/png", picture("blue"))
    playwright.expect(page.locator("#likes img")).to_have_count(3)
    assert page.locator("#likes b").all_inner_texts()[:2] == ["blue", "blue"]
    assert page.evaluate("[...document.querySelectorAll('#likes img')].every(one => one.complete && one.naturalWidth)")
    page.click("#language")
    assert page.inner_text("#near h3") == "所保留的训练样本中最相似的"
    page.click("#language")
    page.select_option("#models", "letters")
    page.fill("#text", "where is it")
    page.click("#words button")
    playwright.expect(page.locator("#likes q").first).to_contain_text("where is my parcel")
    assert page.locator("#likes img").count() == 0
    assert fits(page)


def test_columns_have_fields_and_a_changed_one_is_asked_again(page, address):
    page.goto(f"{address}/#{KEY}")
    page.wait_for_selector("#drop")
    assert page.locator("#cells").is_hidden()
    page.select_option("#models", "priced")
    assert page.locator("#fields label span").all_inner_texts() == ["price", "shop"]
    assert page.locator("#fields datalist option").evaluate_all("all => all.map(one => one.value)") == [
        "corner",
        "market",
    ]
    price, shop = page.locator("#fields input").all()
    price.fill("6")
    shop.fill("market")
    dropped(page, "green.png", "image/png", picture("green"))
    playwright.expect(page.locator("#label")).to_have_text("all")
    sure = page.inner_text("#sure")
    price.fill("dear")
    price.press("Enter")
    playwright.expect(page.locator("#trouble")).to_contain_text("a number")
    assert page.locator("#answer").is_hidden()
    price.fill("")
    price.press("Tab")
    playwright.expect(page.locator("#answer")).to_be_visible()
    playwright.expect(page.locator("#sure")).not_to_have_text(sure)
    page.click("#explain")
    page.wait_for_selector("#meaning:not(:empty)")
    assert fits(page)
    page.select_option("#models", "letters")
    assert page.locator("#cells").is_hidden()


def test_an_answer_that_comes_after_a_later_question_is_not_shown(page, address):
    page.goto(f"{address}/#{KEY}")
    page.wait_for_selector("#drop")
    slow = []

    def hold_the_first(route):
        if slow:
            route.continue_()
        else:
            slow.append(route)

    page.route("**/predict*", hold_the_first)
    dropped(page, "green.png", "image/png", picture("green"))
    page.wait_for_function("document.querySelector('#work').classList.contains('busy')")
    dropped(page, "blue.png", "image/png", picture("blue"))
    playwright.expect(page.locator("#label")).to_have_text("blue")
    with page.expect_response("**/predict*"):
        slow[0].continue_()
    page.wait_for_timeout(300)
    assert page.inner_text("#label") == "blue"
    assert page.locator("#past li").count() == 1
