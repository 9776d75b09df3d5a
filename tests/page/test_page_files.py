"""How the page is served: to everybody, from here only, and never stale."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2

from services.orchestrator.page_files import FILES, HOME
from tests.page.conftest import Open

KINDS = (".js", ".html", ".css")
OWN = [path for path in sorted(HOME.rglob("*")) if path.suffix in KINDS and "vendor" not in path.parts]
AS_MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")


def test_the_page_needs_no_key_but_the_api_does(house: Open):
    with httpx2.Client(base_url=house(auth="keys")) as client:
        assert client.get("/").status_code == 200
        assert client.get("/page/app.js").status_code == 200
        assert client.get("/interleave").status_code == 401


def test_its_policy_allows_nothing_inline_and_nothing_from_elsewhere(house: Open):
    with httpx2.Client(base_url=house()) as client:
        answer = client.get("/")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'" and policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self'" and policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", answer.text)


def test_files_are_kept_and_asked_for_again(house: Open):
    with httpx2.Client(base_url=house()) as client:
        first = client.get("/page/app.js")
        assert first.headers["content-type"].startswith("text/javascript")
        assert first.headers["cache-control"] == "no-cache"
        again = client.get("/page/app.js", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get("/page/core/fold.js").headers["etag"] != first.headers["etag"]
        assert client.head("/").status_code == 200


def test_nothing_but_its_files_is_served(house: Open):
    with httpx2.Client(base_url=house()) as client:
        for path in ("/page/none.js", "/page/../settings.py", "/page/%2e%2e/settings.py", "/page/", "/page/views"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path


def test_a_share_link_leads_to_the_page(house: Open):
    with httpx2.Client(base_url=house(auth="keys")) as client:
        answer = client.get("/shared/shr_abc-123_x")
    assert (answer.status_code, answer.headers["location"]) == (303, "../#/shared/shr_abc-123_x")


def test_everything_imported_and_linked_is_there():
    for path in OWN:
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r'from "(\.[^"]+)"', text):
            assert (path.parent / name).resolve().is_file(), (path.name, name)
        for name in re.findall(r'(?:src|href)="page/([^"]+)"', text):
            assert name in FILES, (path.name, name)


def test_no_text_becomes_markup_and_nothing_comes_from_elsewhere():
    for path in OWN:
        text = path.read_text(encoding="utf-8")
        assert not AS_MARKUP.search(text), path
        assert re.findall(r"https?://(?!127\.0\.0\.1|www\.w3\.org)[\w.]+", text) == [], path


def test_modules_are_small_and_say_what_they_are_for():
    for path in OWN:
        if path.suffix == ".js":
            lines = Path(path).read_text(encoding="utf-8").splitlines()
            assert lines[0].startswith("// ") and len(lines) <= 210, path
