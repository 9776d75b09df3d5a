"""Pictures of the page's main views for docs/page.md, taken of a real small stack in a real browser.

`python -m bench.screenshots` starts a stack of its own, asks it for documents as a person would, and writes
`docs/images/page-*.png`. Look at them before they are committed: nothing here knows whether they are good.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path

import typer
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from interleavethinker.stack.local import LocalStack, Ports

OUT = Path(__file__).parents[1] / "docs" / "images"
LARGEST = 300_000
"""Bytes of one picture: they are kept in the repository."""
PATIENCE = 180_000.0
"""Milliseconds for anything; a busy machine takes its time."""
SLOW = 200
"""Denoising steps of the drawing that is watched: seconds, where the model's own few pass in a moment."""
SEEDS = 8
REFUSED = "I would like to draw a snowman with a red hat. What are the steps?"
OTHERS = (
    "Tell a picture story about an orange cat that loses a white balloon.",
    "Show me how to set a table for one with a purple plate, a green cup and a red apple.",
    "How do I draw a night sky with a blue moon, a red star and a yellow star?",
)


def main(out: Path = OUT) -> None:
    """Start a stack, go through the views, write what they look like."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise typer.BadParameter("no browser here: install chromium, or name one by CHROMIUM")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, LocalStack(Path(home), Ports.free(), apart=True) as stack:
        for ready in stack.until_ready():
            typer.echo(f"{ready.part} is ready after {ready.seconds:.0f} s")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            views(browser, stack.url, out)
            browser.close()


def views(browser: Browser, url: str, out: Path) -> None:
    page = opened(browser, url, {"width": 1280, "height": 860})
    for request in OTHERS:
        ask(page, request)
        done(page)
        page.goto(url)
    page.get_by_text("Settings").click()
    page.get_by_label("What shall the pictures tell?").fill(REFUSED)
    keep(page, out / "page-new.png")
    ask(page, REFUSED)
    done(page)
    run = page.url
    page.reload()
    page.locator("#step-1 summary").click()
    page.mouse.move(0, 0)
    keep(page, out / "page-document.png", whole=True)
    page.keyboard.press("t")
    expect(page.locator(".span.judge").first).to_be_attached()
    keep(page, out / "page-trace.png")
    dark = opened(browser, run, {"width": 1280, "height": 860}, color_scheme="dark")
    dark.get_by_role("button", name="Redraw step 2").click()
    keep(dark, out / "page-redraw-dark.png")
    dark.keyboard.press("Escape")
    dark.keyboard.press("h")
    expect(dark.locator(".card")).to_have_count(4)
    keep(dark, out / "page-documents-dark.png")
    phone = opened(browser, run, {"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True, has_touch=True)
    done(phone)
    keep(phone, out / "page-phone.png")
    watched(page, url, out / "page-live.png")


def watched(page: Page, url: str, path: Path) -> None:
    """A step while it is drawn again, of a document that is drawn slowly, with as many denoising steps as the API
    allows. Whether the critic refuses something is the models' to say: a few seeds are tried, then the old picture
    stays."""
    for seed in range(1, SEEDS + 1):
        page.goto(url)
        ask(page, REFUSED, seed=seed, num_inference_steps=SLOW)
        if caught(page, path):
            page.get_by_role("button", name="Cancel").click()
            return
    typer.echo(f"{path.name}: nothing was refused, or the moment was missed; run it again for another one")


def caught(page: Page, path: Path) -> bool:
    seen = "[...document.querySelectorAll('.coming:has(ins) .preview')].some((each) => each.naturalWidth)"
    while not page.locator(".badge.succeeded").count():
        if page.evaluate(seen):
            page.evaluate("document.querySelector('.tries[open]')?.scrollIntoView({ block: 'end' })")
            keep(page, path)
            return bool(page.evaluate(seen))  # still being drawn when the picture was taken
    return False


def opened(browser: Browser, url: str, viewport: dict[str, int], **how: object) -> Page:
    page = browser.new_context(viewport=viewport, reduced_motion="reduce", **how).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(url)
    return page


def ask(page: Page, request: str, **fields: int) -> None:
    page.get_by_label("What shall the pictures tell?").fill(request)
    for name, value in ({"seed": 1} | fields).items():
        page.locator(f"[name={name}]").evaluate("(field, value) => { field.value = value }", value)
    page.get_by_role("button", name="Make the document").click()
    page.wait_for_url("**/#/documents/*")


def done(page: Page) -> None:
    expect(page.locator(".badge.succeeded")).to_be_visible()


def keep(page: Page, path: Path, *, whole: bool = False) -> None:
    """A picture with few colours where it would be too large otherwise."""
    while not page.evaluate("[...document.images].every((each) => each.complete || each.loading === 'lazy')"):
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)  # lazy ones in sight
    taken = page.screenshot(full_page=whole)
    path.write_bytes(taken)
    if path.stat().st_size > LARGEST:
        Image.open(io.BytesIO(taken)).convert("RGB").quantize(128).save(path, optimize=True)
    typer.echo(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    typer.run(main)
