"""What a reader changes in a finished document, in a real browser: texts, order, steps, references; and shares."""

from __future__ import annotations

import httpx2
import pytest
from playwright.sync_api import expect

from tests.page.conftest import NewPage, Open
from tests.page.test_journey import ask, done

pytest.importorskip("services.orchestrator.arranging")
pytestmark = pytest.mark.browser


def test_texts_order_and_steps_are_changed(house: Open, new_page: NewPage):
    url = house()
    page = new_page(url)
    run = ask(page)
    done(page)
    dialog = page.get_by_role("dialog")

    page.get_by_role("button", name="Edit the text of step 1").click()
    dialog.get_by_label("Name").fill("The body")
    dialog.get_by_label("What to draw").fill("a rounder ball")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#step-1 h2")).to_contain_text("The body")
    expect(page.locator("#step-1 .stale")).to_contain_text("What to draw was changed")

    page.get_by_role("button", name="More for step 2").click()
    page.get_by_role("button", name="Move up").click()
    expect(page.locator(".step h2").first).to_contain_text("Step 2")
    expect(page.locator(".step .number").first).to_have_text("1")

    page.get_by_role("button", name="More for step 2").click()
    page.get_by_role("button", name="Insert a step after").click()
    dialog.get_by_label("Instruction").fill("Tie a scarf.")
    dialog.get_by_label("What to draw").fill("a red scarf")
    dialog.get_by_role("button", name="Insert").click()
    expect(page.locator(".step .text").nth(2)).to_have_text("Tie a scarf.")
    done(page)
    expect(page.locator("#step-4 .outcome")).to_contain_text("accepted")

    page.get_by_role("button", name="More for step 4").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog.get_by_role("button", name="Delete it").click()
    expect(page.locator(".step")).to_have_count(3)
    page.get_by_text("Deleted steps (1)").click()
    page.get_by_role("button", name="Put back").click()
    expect(page.locator(".step")).to_have_count(4)

    page.get_by_role("button", name="More for step 1").click()
    page.get_by_role("button", name="Pin it for what is drawn here").click()
    expect(page.locator(".inputs li")).to_have_count(1)
    document = httpx2.get(f"{url}/interleave/{run}").json()["document"]
    assert [entry["step"]["index"] for entry in document["steps"]] == [2, 1, 4, 3]
    assert len(document["request"]["references"]) == 1


def test_a_shared_document_is_read_and_not_changed(house: Open, new_page: NewPage, make_key):
    url = house(auth="keys")
    page = new_page(url, allowed=(401, 404))
    page.get_by_role("dialog").get_by_label("Key").fill(make_key())
    page.get_by_role("dialog").get_by_role("button", name="Use it").click()
    ask(page)
    done(page)
    page.keyboard.press("s")
    page.get_by_role("dialog").get_by_role("button", name="Make a link").click()
    link = page.get_by_role("dialog").get_by_label("The link").input_value()

    asked: list[str] = []
    reader = new_page("about:blank", home=url, allowed=(401, 403))  # a context of its own: it has no key
    reader.on("request", lambda each: asked.append(each.url + " by " + each.headers.get("referer", "nobody")))
    reader.goto(link)
    done(reader)
    expect(reader.locator("#step-1 img.picture")).to_have_js_property("naturalWidth", 64)
    expect(reader.get_by_text("A shared document")).to_be_visible()
    token = link.rsplit("/", 1)[1]
    told = [each for each in asked if token in each]
    assert len(asked) > 20 and len(told) <= 2 and all("/shared/" in each.split(" by ")[0] for each in told)
    for name in ("Redraw", "Edit text", "Share", "Cancel", "Continue"):
        assert reader.get_by_role("button", name=name).count() == 0

    page.get_by_role("dialog").get_by_role("button", name="Let the link end").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Make a link")).to_be_visible()
    reader.reload()
    expect(reader.get_by_role("alert")).to_be_visible()


def test_documents_are_found_by_their_words(house: Open, new_page: NewPage):
    url = house()
    with httpx2.Client(base_url=url, timeout=60) as client:
        for prompt in ("a cat on a mat", "a dog in the fog"):
            client.post("/interleave", json={"prompt": prompt}, headers={"Prefer": "wait=60"})
    page = new_page(f"{url}/#/history")
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator(".card img").first).to_have_js_property("complete", True)
    page.keyboard.press("/")
    page.keyboard.type("dog")
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".card")).to_contain_text("a dog in the fog")
    page.reload()
    expect(page.locator(".card")).to_have_count(1)
