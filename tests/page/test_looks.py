"""Whether everybody can use the page: axe finds nothing serious, in light and dark; and it fits a phone."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.page.conftest import NewPage, Open
from tests.page.test_journey import ask, done

pytestmark = pytest.mark.browser


COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


def serious(page: Page, view: str) -> list[str]:
    """What axe finds that is serious or critical, each with where it is. Dark is light in other colours."""
    page.emulate_media(color_scheme="dark")
    found = found_in(page, f"{view}, dark", COLOURS)
    page.emulate_media(color_scheme="light")
    return found + found_in(page, view, {})


def found_in(page: Page, view: str, options: dict[str, Any]) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]} | options).response["violations"]
    return [
        f"{view}: {each['id']} ({each['help']}) at {node['target']}: {node.get('failureSummary', '')[:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]


def test_axe_finds_nothing_serious(house: Open, new_page: NewPage):
    page = new_page(house(says="A *big* ball, `white`:\n\n- [how](https://a.example/)"), allowed=(404,))
    page.get_by_text("Settings").click()
    page.get_by_text("Advanced").click()
    found = serious(page, "new document")
    ask(page)
    done(page)
    for summary in page.locator(".tries > summary").all():
        summary.click()
    page.get_by_role("button", name="More for step 2").click()
    found += serious(page, "document")
    page.keyboard.press("Escape")
    for key, view in (("s", "share"), ("x", "export"), ("?", "help"), ("c", "continue")):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog")).to_be_visible()
        found += serious(page, view)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("t")
    page.get_by_text("In numbers").click()
    found += serious(page, "trace")
    page.keyboard.press("h")
    expect(page.locator(".card")).to_be_visible()
    found += serious(page, "documents")
    page.keyboard.press("n")
    page.get_by_label("Let me review the plan first").check()
    ask(page, "planned")
    expect(page.get_by_role("heading", name="The plan")).to_be_visible()
    found += serious(page, "plan")
    assert found == []


def test_it_fits_a_phone(house: Open, new_page: NewPage):
    page = new_page(house(), viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)

    def fits(view: str) -> None:
        wide = page.evaluate(
            "[...document.querySelectorAll('body *')].filter((each) => !each.closest('.unseen, .skip, .scroll, pre') &&"
            " each.getBoundingClientRect().right > 390 + 1).map((each) => each.outerHTML.slice(0, 80))"
        )
        assert wide == [], view
        assert page.evaluate("innerWidth") <= 390, view  # a phone zooms out where something does not fit

    fits("start page")
    page.get_by_text("Settings").tap()
    page.get_by_text("Advanced").tap()
    fits("settings")
    ask(page, "How do I draw a snowman with a remarkablylonghatnamethatnobodywouldeverwriteinoneword?")
    done(page)
    page.locator("#step-2 summary").tap()
    page.get_by_role("button", name="More for step 2").tap()
    fits("document")
    page.get_by_role("button", name="Redraw step 1").tap()
    fits("redraw")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").tap()
    page.get_by_role("link", name="Where did the time go?").tap()
    expect(page.locator(".timeline")).to_be_visible()
    page.get_by_text("In numbers").tap()
    fits("trace")
    page.get_by_role("link", name="Documents").tap()
    expect(page.locator(".card")).to_be_visible()
    fits("documents")
