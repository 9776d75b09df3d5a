"""The page's own logic, in node: what it makes of events, of words, and of a stream that arrives in pieces."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interleavethinker.document import fold
from interleavethinker.events import Recorded
from interleavethinker.exports.prose import prose as exported
from interleavethinker.exports.words import faults
from services.orchestrator.door import EVENT_TYPES, Ask
from tests.fakes import ACCEPT, UNSURE, revise
from tests.page.conftest import Open

Run = Callable[[str, Any], Any]
WAIT = {"Prefer": "wait=60"}


def events_of(client: httpx2.Client, run_id: str) -> list[dict[str, Any]]:
    lines = client.get(f"/interleave/{run_id}/events", params={"progress": False}).text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def stories(client: httpx2.Client) -> list[list[dict[str, Any]]]:
    """The events of runs in which everything happens that can."""

    def ask(path: str, body: dict[str, Any]) -> str:
        answer = client.post(path, json=body, headers=WAIT)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    first = ask("/interleave", {"prompt": "a snowman", "max_attempts": 2})
    run = f"/interleave/{first}"
    ask(f"{run}/steps/1/redraw", {"prompt": "a black ball", "seed": 3, "budget": {"max_draws": 30}})
    assert client.post(f"{run}/steps/1/keep", json={"attempt": 1}).status_code == 200
    ask(f"{run}/steps/2/redraw", {"later": "redraw"})
    branch = ask(f"{run}/branch", {"from_step": 2, "seed": 9})
    short = ask("/interleave", {"prompt": "cut short", "budget": {"max_draws": 1}})
    ask(f"/interleave/{short}/resume", {"budget": {"max_draws": 9}})
    waiting = client.post("/interleave", json={"prompt": "planned", "review_plan": True}).json()["id"]
    while client.get(f"/interleave/{waiting}").json()["status"] != "waiting":
        pass
    steps = [{"index": 1, "prompt": "a lake"}, {"index": 2, "name": "step 2", "prompt": "a hat"}]
    assert client.put(f"/interleave/{waiting}/plan", json={"steps": steps}).status_code == 200
    ask(f"/interleave/{waiting}/plan/approve", {})
    return [events_of(client, run_id) for run_id in (first, branch, short, waiting)]


def arranged(client: httpx2.Client) -> list[dict[str, Any]]:
    """The events of a run that was edited, arranged, added to and pinned."""
    run_id = client.post("/interleave", json={"prompt": "a snowman"}, headers=WAIT).json()["id"]
    run = f"/interleave/{run_id}"

    def do(method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = client.request(method, f"{run}{path}", json=body, headers=WAIT)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["document"])

    do("PATCH", "/steps/1", {"name": "Round", "prompt": "a rounder ball"})
    do("PATCH", "/steps/2", {"instruction": "Another text."})
    pinned = do("PUT", "/order", {"steps": [3, 2, 1]})["steps"][1]["attempts"][0]["image"]["digest"]
    do("PUT", "/references", {"references": [pinned]})
    do("POST", "/steps", {"after": 0, "instruction": "Begin."})
    do("POST", "/steps", {"after": 2, "prompt": "a scarf", "references": [], "seed": 4, "later": "redraw"})
    do("DELETE", "/steps/3")
    do("POST", "/steps/1/redraw", {"prompt": "a flat ball", "references": []})
    return events_of(client, run_id)


def test_the_page_folds_what_readers_change_as_the_server_does(house: Open, run_node: Run):
    pytest.importorskip("services.orchestrator.arranging")
    with httpx2.Client(base_url=house(prompts=("a ball", "a hat", None)), timeout=60) as client:
        events = arranged(client)
    compare([events], run_node)


def test_the_page_folds_as_the_server_does(house: Open, run_node: Run):
    verdicts = [ACCEPT, revise("a hat"), UNSURE, revise("a cap"), revise("a scarf")]
    with httpx2.Client(base_url=house(prompts=("a ball", "a hat", None), verdicts=verdicts), timeout=60) as client:
        told = stories(client)
    kinds = {each["event"]["type"] for events in told for each in events}
    assert kinds >= {"step_reopened", "attempt_kept", "branched", "resumed", "plan_edited", "plan_awaited"}
    compare(told, run_node)


def compare(told: list[list[dict[str, Any]]], run_node: Run) -> None:
    """Both folds after every event."""
    script = """
import { fold } from "./core/fold.js";
answer(given.map((events) => events.map((_, last) => fold(events.slice(0, last + 1)))));
"""
    for events, folded in zip(told, run_node(script, told), strict=True):
        recorded = [Recorded.model_validate(each) for each in events]
        for last, found in enumerate(folded, 1):
            assert found["unknown"] == []
            expected = fold(recorded[:last]).model_dump(mode="json")
            assert known(found["document"], expected) == expected, events[last - 1]["event"]


def known(found: Any, expected: Any) -> Any:
    """What was found without the fields that this server has not: the page may be newer than it."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return {name: known(value, expected[name]) for name, value in found.items() if name in expected}
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return [known(one, other) for one, other in zip(found, expected, strict=True)]
    return found


def test_an_event_of_a_newer_server_is_named_not_swallowed(run_node: Run):
    created = {"type": "created", "request": {"brief": {"prompt": "x", "images": []}, "references": [], "budget": {}}}
    events = [
        {"run_id": "r", "seq": number, "at": "2026-01-01T00:00:00Z", "event": event}
        for number, event in enumerate([created, {"type": "step_turned_upside_down"}], 1)
    ]
    script = 'import { fold } from "./core/fold.js"; answer(fold(given).unknown);'
    assert run_node(script, events) == ["step_turned_upside_down"]


def test_a_diff_holds_both_texts(run_node: Run):
    found: list[tuple[str, str]] = []
    words = st.lists(
        st.sampled_from(["a", "red", "blue", "hat", "ball", "on", "the", "at", "b2", "<b>x</b>"]), max_size=12
    ).map(" ".join)

    @settings(max_examples=60)
    @given(words, words)
    def collect(old: str, new: str) -> None:
        found.append((old, new))

    collect()
    script = 'import { changes } from "./core/diff.js"; answer(given.map(([old, now]) => changes(old, now)));'
    for (old, new), pieces in zip(found, run_node(script, found), strict=True):
        assert " ".join(piece["text"] for piece in pieces if piece["kind"] != "removed") == new
        assert " ".join(piece["text"] for piece in pieces if piece["kind"] != "added") == old
        kinds = [piece["kind"] for piece in pieces]
        assert all(one != other for one, other in pairwise(kinds))


def test_a_diff_shows_the_least_change(run_node: Run):
    script = 'import { changes } from "./core/diff.js"; answer(changes(...given));'
    assert run_node(script, ["a red hat at b2", "a red cap at b2"]) == [
        {"kind": "same", "text": "a red"},
        {"kind": "removed", "text": "hat"},
        {"kind": "added", "text": "cap"},
        {"kind": "same", "text": "at b2"},
    ]


def test_the_critics_objections_are_read_as_the_exports_read_them(run_node: Run):
    said = [
        "meadow a1 empty b1 yellow sun but empty c1 empty d1 red ball but blue ball but round",
        "The hat is missing. Draw it.",
        "short",
        "snow a1 empty b1 empty c1 empty",
        "",
    ]
    script = 'import { faultsOf } from "./core/words.js"; answer(given.map(faultsOf));'
    expected = [None if (found := faults(each)) is None else [fault._asdict() for fault in found] for each in said]
    assert run_node(script, said) == expected


def test_a_stream_may_arrive_in_any_pieces(run_node: Run):
    text = (
        ': quiet\n\nid: 1\nevent: drawn\ndata: {"a":\ndata: 1}\n\r\nid: 2\r\ndata: Schneemann ☃\r\n\r\nid: 3\ndata: cut'
    )
    script = """
import { readEvents } from "./core/sse.js";
const found = [];
for (const size of given.sizes) {
  const bytes = new TextEncoder().encode(given.text);
  const body = new ReadableStream({ start(to) {
    for (let at = 0; at < bytes.length; at += size) to.enqueue(bytes.slice(at, at + size));
    to.close();
  } });
  const events = [];
  for await (const event of readEvents(body)) events.push(event);
  found.push(events);
}
answer(found);
"""
    expected = [
        {"id": "1", "event": "drawn", "data": '{"a":\n1}'},
        {"id": "2", "event": "message", "data": "Schneemann ☃"},
    ]
    for events in run_node(script, {"text": text, "sizes": [1, 2, 3, 7, 1000]}):
        assert events == expected


def test_a_request_can_be_made_again_from_what_the_trace_shows(house: Open, run_node: Run):
    ask = {"prompt": 'a cat\'s "day"\nin <image>', "seed": 4, "critic": "strict", "budget": {"max_draws": 8}}
    with httpx2.Client(base_url=house(), timeout=60) as client:
        ask["images"] = [
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAGElEQVR4nGP8z0AaYCJR/aiGUQ1DSAMAQC4BH2bjRnMAAAAASUVORK5CYII="
        ]
        request = client.post("/interleave", json=ask, headers=WAIT).json()["document"]["request"]
        script = 'import { askedOf, curlOf, pythonOf } from "./core/again.js";\n'
        script += 'answer([askedOf(given), curlOf(given, "U"), pythonOf(given, "U/")]);'
        asked, curl, python = run_node(script, request)
        again = client.post("/interleave", json=asked, headers=WAIT).json()["document"]["request"]
    assert again == request
    assert "'\\''s" in curl and json.dumps(ask["prompt"]) in python
    compile(python, "copied", "exec")


MARKDOWN = [
    "Roll a *big* ball of **fresh** snow, ***then*** `pack` it.",
    "_one_ __two__ snake_case_name 2 * 3 * 4 **not closed",
    "First line\nsecond line\n\nAnother paragraph with a [link](https://example.org/a?b=1 'title') in it.",
    "- snow\n- a *carrot*\n  - two\n  - three\n- coal",
    "3. third\n4. fourth\n",
    "1. loose\n\n2. list\n\n   with more",
    "# Heading\n\ntext\n\n> a *quote*\n\n---\n\n```python\nprint('<b>')\n```",
    "[a](javascript:alert(1)) [b](data:text/html,x) [c](//elsewhere.example) <https://example.org>",
    "<img src=x onerror=alert(1)> and <b>bold</b> stay",
    "<script>document.title = 2</script>",
    "![a red hat](https://example.org/hat.png) and `a\\`b`",
    "\\*not emphasis\\* &amp; &lt;b&gt; &quot;x&quot; &#9731; &#x2603;",
    "Draw it at b3, with 5 < 6 & 7 > 3.",
    "hard  \nbreak",
    "",
]


def told(blocks: Any) -> list[Any]:
    """The exports' tree as the page's: no language, no directions, no false flags, ends of lines as they were read."""
    tree = []
    for block in blocks:
        runs = [
            {name: value for name, value in dataclasses.asdict(run).items() if value} | {"text": run.text}
            for run in block.runs
        ]
        found: dict[str, Any] = {"kind": block.kind}
        if block.blocks:
            found["blocks"] = told(block.blocks)
        else:
            found["runs"] = runs
        if block.kind == "list":
            found["start"] = block.start
        tree.append(found)
    return tree


def as_told(tree: list[Any]) -> list[Any]:
    """The page's tree, a new line within a paragraph as the space that the exports make of it, alike runs as one."""
    for block in tree:
        if "blocks" in block:
            as_told(block["blocks"])
        else:
            block["runs"] = merged(block["runs"], block["kind"])
    return tree


def merged(runs: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for run in runs:
        text = run["text"] if kind == "code" else run["text"].replace("\n", " ")
        style = {name: value for name, value in run.items() if name != "text" and value}
        if found and not run.get("line") and {k: v for k, v in found[-1].items() if k not in ("text", "line")} == style:
            found[-1]["text"] += text
        elif text or run.get("line"):
            found.append({**style, "text": text})
    return found


def test_markdown_is_read_as_the_exports_read_it(run_node: Run):
    script = 'import { prose } from "./core/markdown.js"; answer(given.map(prose));'
    for text, found in zip(MARKDOWN, run_node(script, MARKDOWN), strict=True):
        expected = as_told(told(exported(text)))
        assert as_told(found) == expected, text


def test_only_web_addresses_are_links(run_node: Run):
    texts = [
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](data:text/html,x)",
        "[a](vbscript:x)",
        "[a](//x.example)",
        "[a](&#106;avascript:alert(1))",
        "[a](java\nscript:x)",
        "[a](/interleave)",
        "[a](#/history)",
        "[a](https://)",
        "<javascript:alert(1)>",
        "[a]: javascript:x\n\n[a]",
    ]
    script = 'import { prose } from "./core/markdown.js"; answer(given.map((each) => JSON.stringify(prose(each))));'
    assert [each for each in run_node(script, texts) if '"href"' in each] == []
    assert '"href":"http://example.org/"' in run_node(script, ["[a](http://example.org/)"])[0]


def test_hostile_markdown_ends_soon(run_node: Run):
    texts = [
        ">" * 15_000,
        "- " * 8_000,
        "*a " * 6_000,
        "[" * 15_000,
        "`" * 15_000,
        "_*" * 9_000,
        "![" * 9_000,
        "<" * 19_000,
        "\n".join("  " * depth + "- x" for depth in range(190)),
        "x" * 200_000,
        "&#xffffff; &#0; &nope;",
        "[a](" * 4_000,
    ]
    script = """
import { prose } from "./core/markdown.js";
answer(given.map((each) => { const start = performance.now(); prose(each); return performance.now() - start; }));
"""
    assert max(run_node(script, texts)) < 2_000


def test_a_new_document_is_asked_for_with_all_that_was_set(run_node: Run):
    script = """
import { askOf } from "./core/ask.js";
answer(given.map((fields) => {
  const form = new FormData();
  for (const [name, value] of fields) form.append(name, value);
  const { seed, ...ask } = askOf(form, [], []);
  return ask;
}));
"""
    plain = [["prompt", "x"], ["num_inference_steps", ""], ["webhook", ""], ["webhook_events", "finished"]]
    full = [
        ["prompt", "x"],
        ["num_inference_steps", "8"],
        ["guidance_scale", "0"],
        ["max_seconds", "90.5"],
        ["max_draws", "4"],
        ["webhook", " https://a.example/told "],
        ["webhook_events", "finished"],
        ["webhook_events", "drawn"],
        ["candidates", "3"],
        ["independent_steps", "on"],
    ]
    anchored = [["prompt", "x"], ["anchor", "2"], ["candidates", ""]]
    found = run_node(script, [plain, full, anchored])
    assert found[0] == {"prompt": "x"}
    assert found[1] == {
        "prompt": "x",
        "params": {"num_inference_steps": 8, "guidance_scale": 0},
        "budget": {"max_seconds": 90.5, "max_draws": 4},
        "webhook": {"url": "https://a.example/told", "events": ["finished", "drawn"]},
        "candidates": 3,
        "independent_steps": True,
    }
    assert found[2] == {"prompt": "x", "anchor": 2}
    for ask in found:
        Ask.model_validate(ask)
    script = 'import { EVENTS } from "./core/ask.js"; answer(EVENTS.map(([name]) => name));'
    assert set(run_node(script, None)) <= set(EVENT_TYPES)


def test_no_address_of_a_shared_document_tells_its_token(run_node: Run):
    script = 'import { local } from "./core/api.js"; answer(given.map(local));'
    links = [
        "http://elsewhere:1/x/interleave/run_1/steps/1/attempts/1/preview?seen=3&share=shr_x",
        "/interleave/r?share=shr_x",
    ]
    home = "http://127.0.0.1/interleave/"
    assert run_node(script, links) == [home + "run_1/steps/1/attempts/1/preview?seen=3", home + "r"]
