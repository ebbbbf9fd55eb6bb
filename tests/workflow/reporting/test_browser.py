"""The page as a browser shows it: to everybody, on any screen, from this one file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = {"phone": 320, "desktop": 1280}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give the system's Chromium, started once; `.ci/run` says that there has to be one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        said = "no Chromium is installed: `make chromium` brings it on Debian and its like"
        (pytest.fail if os.environ.get("BROWSER_TESTS") == "required" else pytest.skip)(said)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found)
        yield chromium
        chromium.close()


def opened(browser: Browser, folder: Path, **how: Any) -> tuple[Page, list[str]]:
    """Return the page in a window of its own, with the requests that it makes."""
    page = browser.new_context(**how).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "report.html").as_uri(), wait_until="load")
    return page, asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nobody_is_kept_out(browser: Browser, folder: Path, width: str, scheme: Any) -> None:
    """No rule of axe is broken, with every part unfolded; nothing has to be scrolled sideways.

    In the dark only colours differ, and are looked at.
    """
    size = {"width": WIDTHS[width], "height": 800}
    page, asked = opened(browser, folder, viewport=size, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
    found = Axe().run(page, options=rules)
    violations = [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]]
    inside = page.evaluate("document.documentElement.scrollWidth")
    page.context.close()

    assert violations == []
    assert inside <= WIDTHS[width]
    assert [url for url in asked if not url.startswith("file:")] == [] and len(asked) == 1


def test_without_javascript_all_is_there(browser: Browser, folder: Path) -> None:
    """The same words, and every drawing; a part that is folded can be unfolded."""
    with_it, _ = opened(browser, folder)
    without, _ = opened(browser, folder, java_script_enabled=False)
    texts = [p.locator("main").inner_text() for p in (with_it, without)]
    drawings = without.locator("svg.chart").count()
    summary = without.locator("summary", has_text="All trials")
    summary.click()
    unfolded = without.get_by_role("region", name="All trials").is_visible()
    with_it.context.close()
    without.context.close()

    assert texts[0] == texts[1] and len(texts[1]) > 2000
    assert drawings >= 7 and unfolded


def test_a_mark_says_what_it_is(browser: Browser, folder: Path) -> None:
    """Under the pointer a mark tells its figures at once; no error is met on the way."""
    page, _ = opened(browser, folder)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    tip = page.locator("#tip")
    page.locator('svg[data-chart="course"] .mark').first.hover()
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("trial 0: ")
    page.mouse.move(0, 0)
    expect(tip).to_be_hidden()
    page.context.close()

    assert errors == []


def test_it_prints(browser: Browser, folder: Path) -> None:
    """On paper it is dark on light, whatever the screen has, and no drawing is lost."""
    page, _ = opened(browser, folder, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.body).color")
    drawn = [d.is_visible() for d in page.locator("svg.chart").all()]
    printed = page.pdf(format="A4")
    page.context.close()

    assert (ground, ink) == ("rgb(255, 255, 255)", "rgb(0, 0, 0)")
    assert drawn and all(drawn)
    assert printed.startswith(b"%PDF") and 2 <= printed.count(b"/Type /Page\n") <= 12


def test_its_data_can_be_read_there(browser: Browser, folder: Path) -> None:
    """What the page carries is JSON that a script can read by each figure's place."""
    page, _ = opened(browser, folder)
    carried = json.loads(page.locator("#data").text_content() or "")
    page.context.close()

    assert carried["document"] == {
        key: value
        for key, value in json.loads((folder / "result.json").read_text()).items()
        if key != "finalists"
    }
