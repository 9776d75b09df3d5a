"""The page in a real browser, from a request to a document that was changed, refreshed, shared among tabs, canceled."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.fakes import revise
from tests.page.conftest import NewPage, Open

pytestmark = pytest.mark.browser
DONE = ".badge.succeeded"


def ask(page: Page, prompt: str = "How do I draw a snowman?") -> str:
    """Asks for a document on the start page; gives the run's id."""
    page.get_by_label("What shall the pictures tell?").fill(prompt)
    page.get_by_role("button", name="Make the document").click()
    page.wait_for_url(re.compile(r"#/documents/run_\w+$"))
    return page.url.rsplit("/", 1)[1]


def done(page: Page) -> None:
    """Waits for the document's end, looking at every frame: `expect` looks at longer and longer intervals."""
    page.locator(DONE).wait_for()


def shown(page: Page) -> list[tuple[str, str, int]]:
    """What a reader sees of each step: its heading, its outcome, how many attempts."""
    return [
        (step.locator("h2").inner_text(), step.locator(".outcome").inner_text(), step.locator(".attempts > li").count())
        for step in page.locator(".step").all()
    ]


def test_the_whole_journey(house: Open, new_page: NewPage):
    page = new_page(house(pause=0.15, showing=True))
    run = ask(page)
    expect(page.locator(".step").first).to_be_visible()  # the plan as it is written
    expect(page.locator(".facts")).to_contain_text("of 3 steps")
    expect(page.locator("img.preview").first).to_be_visible()  # the drawing as it denoises
    expect(page.locator(".attempts .coming del, .attempts .coming ins").first).to_be_visible()  # the critic's words
    done(page)
    expect(page.locator(".facts")).to_contain_text("3 of 3 steps")
    expect(page.locator(".facts")).to_contain_text("3 drawings")

    second = page.locator("#step-2")
    expect(second.locator(".outcome")).to_have_text("drawn 2 times, accepted, 95% sure")
    second.get_by_text("2 attempts, side by side").click() if not second.locator(".attempts").count() else None
    expect(second.locator(".attempts > li")).to_have_count(2)
    expect(second.locator(".attempts ins")).to_have_text("white ball at b3 with a")
    second.get_by_role("button", name="Let this one stand").click()
    expect(second.locator(".outcome")).to_contain_text("you chose number 1")

    second.get_by_role("button", name="Redraw step 2").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What to draw").fill("a blue hat at b2")
    dialog.locator("[name=seed]").fill("7")
    dialog.get_by_role("button", name="Redraw").click()
    expect(dialog).to_have_count(0)
    expect(second.locator(".attempts > li")).to_have_count(3)
    done(page)
    assert second.locator(".attempts > li").nth(2).inner_text().startswith("Attempt 3")

    page.keyboard.press("t")
    expect(page.get_by_role("heading", name="Where the time went")).to_be_visible()
    expect(page.get_by_role("region", name="The drift in numbers").get_by_role("cell").first).to_contain_text("2. ")
    expect(page.locator(".span.judge").first).to_be_attached()
    expect(page.get_by_text("The critic, on step 2, attempt 1")).to_be_visible()
    page.get_by_role("link", name="Documents").click()
    expect(page.locator(".card")).to_have_count(1)
    page.locator(".card").click()
    page.wait_for_url(f"**/#/documents/{run}")


def test_a_refresh_in_the_middle_loses_nothing(house: Open, new_page: NewPage):
    url = house(pause=0.2)
    page = new_page(url)
    run = ask(page)
    expect(page.locator("#step-1 .outcome")).to_contain_text("accepted")
    page.reload()
    expect(page.locator("#step-1 .outcome")).to_contain_text("accepted")
    done(page)
    document = httpx2.get(f"{url}/interleave/{run}").json()["document"]
    assert len(shown(page)) == len(document["steps"]) == 3
    assert page.locator("#step-2 .text").inner_text() == document["steps"][1]["step"]["instruction"]


def test_a_cut_line_is_taken_up_where_it_was_cut(house: Open, new_page: NewPage):
    url = house()
    with httpx2.Client(base_url=url, timeout=60) as client:
        run = client.post("/interleave", json={"prompt": "a hat"}, headers={"Prefer": "wait=60"}).json()["id"]
        text = client.get(f"/interleave/{run}/events").text
    asked: list[str] = []
    page = new_page(f"{url}/#/")

    def cut_once(route, request):
        asked.append(request.headers["last-event-id"])
        if len(asked) > 1:
            return route.continue_()
        half = text[: text.index("id: 5\n") + 9]  # in the middle of an event
        return route.fulfill(status=200, content_type="text/event-stream", body=half)

    page.route("**/events", cut_once)
    page.goto(f"{url}/#/documents/{run}")
    done(page)
    assert asked == ["0", "4"]


def test_two_tabs_show_the_same(house: Open, new_page: NewPage):
    url = house(pause=0.1)
    one = new_page(url)
    run = ask(one)
    two = new_page(f"{url}/#/documents/{run}", context=one.context)
    for page in (one, two):
        done(page)
    assert [each[:2] for each in shown(one)] == [each[:2] for each in shown(two)]
    one.bring_to_front()  # a browser draws a tab behind others once a second
    one.get_by_role("button", name="Redraw step 1").click()
    one.get_by_role("dialog").get_by_role("button", name="Redraw").click()
    expect(two.locator("#step-1 .outcome")).to_contain_text("drawn 2 times")  # the ended tab noticed


def test_cancel(house: Open, new_page: NewPage):
    page = new_page(house(pause=1.0))
    ask(page)
    expect(page.locator(".step").first).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".badge.canceled")).to_have_text("Canceled")
    expect(page.locator(".trouble")).to_contain_text("was canceled")


def test_a_step_that_was_not_accepted_says_so(house: Open, new_page: NewPage):
    page = new_page(house(verdicts=[revise(f"words {number}") for number in range(9)]), allowed=(422,))
    page.get_by_text("Settings").click()
    page.get_by_label("Attempts at a step").fill("2")
    page.get_by_label("Strict only when it is sure").check()
    page.get_by_label("Drawings in all").fill("3")
    page.get_by_text("Advanced").click()
    page.get_by_label("Denoising steps").fill("900")
    page.get_by_text("Advanced").click()
    page.get_by_role("button", name="Make the document").click()
    expect(page.get_by_label("Denoising steps")).to_be_focused()  # what is wrong is shown, wherever it was hidden
    page.get_by_label("Denoising steps").fill("9")
    page.get_by_label("Guidance").fill("2.5")
    page.get_by_label("Time in all").fill("120")
    page.get_by_label("Drawings of each redraw").fill("2")
    page.get_by_label("Anchor").fill("1")
    page.get_by_label("Independent steps").check()
    page.get_by_label("What shall the pictures tell?").fill("a snowman")
    page.get_by_role("button", name="Make the document").click()
    expect(page.get_by_role("alert")).to_contain_text("anchor: steps that are independent")
    page.get_by_label("Anchor").fill("")
    run = ask(page)
    expect(page.locator("#step-1 .outcome")).to_contain_text("drawn 2 times, not accepted")
    expect(page.locator(".facts")).to_contain_text("3 of 3 drawings")
    expect(page.locator(".badge.partial")).to_be_visible()
    request = httpx2.get(page.url.split("#")[0] + f"interleave/{run}").json()["document"]["request"]
    assert (request["critic"], request["max_attempts"]) == ("strict", 2)
    assert request["budget"] == {"max_draws": 3, "max_seconds": 120}
    assert request["params"] == {"num_inference_steps": 9, "guidance_scale": 2.5}
    assert (request["candidates"], request["independent_steps"], "anchor" in request) == (2, True, False)
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    done(page)


def test_the_plan_is_reviewed_first(house: Open, new_page: NewPage):
    page = new_page(house())
    page.get_by_label("Let me review the plan first").check()
    ask(page)
    expect(page.get_by_role("heading", name="The plan")).to_be_visible()
    page.get_by_role("group", name="Step 1").get_by_label("What to draw").fill("a green ball")
    page.get_by_role("button", name="Leave step 3 out").click()
    page.get_by_role("button", name="Save and draw it").click()
    done(page)
    assert len(shown(page)) == 2
    page.locator("#step-1").get_by_text("The attempt and what the critic said").click()
    expect(page.locator("#step-1 .prompt")).to_contain_text("a green ball")


def test_pictures_are_given_pasted_and_pinned(house: Open, new_page: NewPage, tmp_path: Path):
    url = house()
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    page = new_page(url)
    page.locator("input[type=file]").set_input_files(tmp_path / "red.png")
    expect(page.locator(".given figure")).to_have_count(1)
    data = (tmp_path / "red.png").read_bytes()
    page.evaluate(
        """bytes => {
        for (const type of ["paste", "drop"]) {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], `${type}.png`, { type: "image/png" }));
          const given = type === "paste" ? { clipboardData: transfer } : { dataTransfer: transfer };
          const kind = type === "paste" ? ClipboardEvent : DragEvent;
          const event = new kind(type, { ...given, bubbles: true, cancelable: true });
          document.getElementById("prompt").dispatchEvent(event);
        }
      }""",
        list(data),
    )
    expect(page.locator(".given figure")).to_have_count(3)
    page.get_by_label("What picture 2 is for").select_option("references")
    run = ask(page)
    done(page)
    request = httpx2.get(f"{url}/interleave/{run}").json()["document"]["request"]
    assert (len(request["brief"]["images"]), len(request["references"])) == (2, 1)
    page.locator("#step-1 h2").click()
    page.keyboard.press("p")
    page.keyboard.press("n")
    expect(page.locator(".given figure")).to_have_count(1)
    other = ask(page, "another")
    done(page)
    assert len(httpx2.get(f"{url}/interleave/{other}").json()["document"]["request"]["references"]) == 1


def test_a_key_is_asked_for_and_sent(house: Open, new_page: NewPage, make_key):
    url = house(auth="keys")
    page = new_page(url, allowed=(401,))
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Your key")
    dialog.get_by_label("Key").fill(make_key())
    dialog.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("None yet")).to_be_visible()
    ask(page)
    done(page)
    expect(page.locator("#step-1 img.picture")).to_have_js_property("naturalWidth", 64)
    assert page.evaluate("localStorage.getItem('interleavethinker.key')") is None


def test_errors_say_what_to_do(house: Open, new_page: NewPage):
    page = new_page(house(), allowed=(404, 422))
    page.get_by_role("button", name="Make the document").click()
    expect(page.get_by_role("alert")).to_have_text("Write what the document shall show.")
    page.get_by_label("What shall the pictures tell?").fill("<image> and <image>")
    page.get_by_role("button", name="Make the document").click()
    expect(page.get_by_role("alert")).to_contain_text("2 <image> markers, 0 images were given")
    page.goto(page.url.split("#")[0] + "#/documents/run_none")
    expect(page.get_by_role("alert")).to_contain_text("There is no run")


def test_texts_of_strangers_stay_texts(house: Open, new_page: NewPage):
    evil = '<img src=x onerror="document.title=1"><script>document.title = 2</script> [a](javascript:alert(1))'
    page = new_page(
        house(
            prompts=(evil,),
            verdicts=[revise(evil + " more")],
            says="*Roll* a ball, see [this](https://a.example/) " + evil,
        )
    )
    ask(page, evil)
    done(page)
    expect(page.locator("h1")).to_contain_text("<img src=x onerror=")
    page.locator("#step-1 summary").click()
    expect(page.locator("#step-1 .attempts")).to_contain_text("<script>document.title = 2</script>")
    assert page.locator("img[src='x']").count() == 0
    said = page.locator("#step-1 .text")
    assert said.locator("em").all_inner_texts() == ["Roll"]
    assert [each.get_attribute("href") for each in said.locator("a").all()] == ["https://a.example/"]
    assert said.locator("a").get_attribute("rel") == "noopener noreferrer nofollow"
    expect(said).to_contain_text("<script>document.title = 2</script> [a](javascript:alert(1))")
    page.keyboard.press("t")
    expect(page.locator("pre").first).to_be_attached()
    assert json.loads(page.evaluate("JSON.stringify(document.title.length > 5)"))


def test_the_keyboard_is_enough(house: Open, new_page: NewPage):
    page = new_page(house())
    page.get_by_label("What shall the pictures tell?").fill("a hat")
    page.keyboard.press("Control+Enter")
    done(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next step")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)  # letters are silent while it is open
    for step in ("#step-1", "#step-2"):
        page.keyboard.press("j")
        expect(page.locator(step)).to_be_focused()
    page.keyboard.press("r")
    expect(page.get_by_role("dialog")).to_contain_text("Redraw step 2")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("d")
    page.keyboard.press("d")  # system, light, dark
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
