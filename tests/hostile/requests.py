"""Requests that nobody honest sends: each a method, a path, and what goes with them. Every one is to be a 4xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.hostile.pictures import hostile, saved, text


class Hostile(NamedTuple):
    """A request. `status`: what must be answered, where it is not just any 4xx."""

    name: str
    method: str
    path: str
    content: bytes | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    status: int | None = None


JSON = ((b"Content-Type", b"application/json"),)


def asking(name: str, body: Any, status: int | None = None) -> Hostile:
    return Hostile(name, "POST", "/interleave", json.dumps(body).encode(), JSON, status)


def raw(
    name: str, content: bytes, content_type: bytes | None = b"application/json", status: int | None = None
) -> Hostile:
    headers = ((b"Content-Type", content_type),) if content_type is not None else ()
    return Hostile(name, "POST", "/interleave", content, headers, status)


WRONG: dict[str, list[Any]] = {
    "prompt": [
        None,
        1,
        True,
        [],
        {},
        [["a"]],
        {"a": "b"},
        "",
        " ",
        "\n\t",
        "\0",
        "a\0b",
        "\ud800",
        "a" * 32_001,
        "\u202e\u2066",
        "\U000e0041\U000e0042",
        "<think></think><answer></answer>",
        "<|im_start|><|im_end|>",
        "<image>",
        "<image>" * 5_000,
        "[INST][/INST]",
        "<s></s>",
    ],
    "seed": [None, -1, 2**32, 10**30, 1.5, "x", [], {}, "1e3", "0x10", -(10**400)],
    "max_attempts": [None, 0, -1, 21, 10**30, 1.5, "many", []],
    "max_steps": [None, 0, 101, -(10**30), "all", {}],
    "critic": [None, 1, "", "harsh", "OFF ", ["off"], "quick\0", "__class__"],
    "budget": [
        None,
        1,
        [],
        "none",
        {"max_draws": 0},
        {"max_draws": -1},
        {"max_draws": "x"},
        {"max_seconds": 0},
        {"max_seconds": -5},
        {"max_seconds": "soon"},
        {"max_money": 1},
        {"max_draws": 1.5},
    ],
    "size": [
        1,
        "512",
        [],
        [512, 512],
        {},
        {"width": 512},
        {"width": 15, "height": 512},
        {"width": 512, "height": 4097},
        {"width": 10**30, "height": 16},
        {"width": -512, "height": 512},
        {"width": 512, "height": 512, "depth": 2},
        {"width": None, "height": None},
    ],
    "params": [
        None,
        1,
        [],
        {"num_inference_steps": 0},
        {"num_inference_steps": 201},
        {"guidance_scale": -1},
        {"guidance_scale": 51},
        {"eta": 0},
        {"num_inference_steps": "all"},
        {"callback_on_step_end": "os.system"},
    ],
    "images": [
        None,
        1,
        "a",
        {},
        [1],
        [None],
        [[]],
        [{}],
        [{"url": "https://example.org/a.png"}],
        [""],
        [" "],
        ["\0"],
        ["####"],
        ["data:"],
        ["data:image/png;base64,"],
        ["data:image/png,raw"],
        ["data:text/html;base64,PGI+"],
        ["data:image/svg+xml;base64,PHN2Zy8+"],
        ["file:///etc/passwd"],
        ["/etc/passwd"],
        ["../../etc/passwd"],
        ["http://127.0.0.1:6379/"],
        ["http://169.254.169.254/latest/meta-data/"],
        ["https://[::1]/a.png"],
        ["gopher://127.0.0.1/_x"],
        ["FTP://example.org/a.png"],
        ["HtTp://localhost/a.png"],
        ["0" * 64],
        ["f" * 64],
        ["0" * 63],
        ["0" * 65],
        ["A" * 64],
        ["0" * 64 + "\n"],
        ["é"],
        ["\ud800"],
        ["aGVsbG8"],
        ["aGVsbG8=\n"],
        ["a" * 200_001],
        ["0" * 64] * 17,
    ],
}

FORGED = (
    "id",
    "run_id",
    "status",
    "document",
    "verdict",
    "outcome",
    "owner",
    "tenant",
    "links",
    "problem",
    "events",
    "plan",
    "steps",
    "digest",
    "refine_prompt",
    "previous_step_success",
    "brief",
    "__proto__",
    "constructor",
    "$ref",
    "callback",
    "a" * 10_000,
    "",
    "prompt ",
    "Prompt",
    "prompt\u200b",
    "\u202e",
)


def values() -> Iterator[Hostile]:
    """Every field with what it is not, and fields that are none."""
    for field, wrong in WRONG.items():
        for place, value in enumerate(wrong):
            yield asking(f"{field} {place}: {str(value)[:40]!r}", {"prompt": "a snowman"} | {field: value})
    for field in FORGED:
        yield asking(f"field {field[:40]!r}", {"prompt": "a snowman", field: "accept"})
    yield asking("field of half a character", {"prompt": "a snowman", "\ud800": 1}, 400)
    yield asking("no prompt", {}, 422)
    yield asking("ten thousand fields", {"prompt": "a"} | {str(n): n for n in range(10_000)})
    for body in (None, 1, "a", [], [{"prompt": "a"}], True):
        yield asking(f"a body that is {body!r}", body)


def bodies() -> Iterator[Hostile]:
    """What is no JSON, or JSON that readers understand differently."""
    good = b'{"prompt": "a snowman"}'
    for name, content in {
        "nothing": b"",
        "a space": b" ",
        "a brace": b"{",
        "a NUL": b"\0",
        "cut": good[:-1],
        "more after": good + b"}",
        "twice": good + good,
        "single quotes": b"{'prompt': 'a'}",
        "comma at the end": b'{"prompt": "a",}',
        "comment": b'{"prompt": "a" /* b */}',
        "no quotes": b"{prompt: 1}",
        "yaml": b"prompt: &a [*a]",
        "xml": b"<prompt/>",
        "duplicate prompt": b'{"prompt": "a", "prompt": "b"}',
        "escaped duplicate": b'{"prompt": "a", "\\u0070rompt": "b"}',
        "duplicate seed": b'{"prompt": "a", "seed": 1, "seed": 2}',
        "duplicate deep": b'{"prompt": "a", "size": {"width": 64, "width": 4096, "height": 64}}',
        "nan": b'{"prompt": "a", "budget": {"max_seconds": NaN}}',
        "infinity": b'{"prompt": "a", "budget": {"max_seconds": Infinity}}',
        "beyond infinity": b'{"prompt": "a", "budget": {"max_seconds": 1e999}}',
        "minus infinity": b'{"prompt": "a", "params": {"guidance_scale": -Infinity}}',
        "digits": b'{"prompt": "a", "seed": ' + b"9" * 100_000 + b"}",
        "exponent": b'{"prompt": "a", "seed": 1e100000000}',
        "deep lists": b"[" * 100_000,
        "deep closed lists": b"[" * 40_000 + b"]" * 40_000,
        "deep objects": b'{"a":' * 50_000,
        "deep in a field": b'{"prompt": "a", "size": ' + b"[" * 500 + b"]" * 500 + b"}",
        "a little too deep": b'{"prompt": "a", "params": ' + b"[" * 40 + b"]" * 40 + b"}",
        "a list of everything": b'{"prompt": "a", "images": [' + b"1," * 300_000 + b"1]}",
        "utf-16": good.decode().encode("utf-16"),
        "utf-32": good.decode().encode("utf-32"),
        "byte order mark": b"\xef\xbb\xbf" + good,
        "latin-1": '{"prompt": "é"}'.encode("latin-1"),
        "overlong": b'{"prompt": "\xc0\xaf"}',
        "encoded surrogate": b'{"prompt": "\xed\xa0\x80"}',
        "half a character": b'{"prompt": "\\ud83d"}',
        "halves the wrong way": b'{"prompt": "\\ude00\\ud83d"}',
        "NUL escaped": b'{"prompt": "a\\u0000b"}',
        "NUL in a name": b'{"prompt": "a", "\\u0000": 1}',
        "NUL raw": b'{"prompt": "a\0b"}',
        "line end raw": b'{"prompt": "a\nb"}',
        "bad escape": b'{"prompt": "\\x41"}',
        "cyclic": b'{"prompt": {"$ref": "#/prompt"}}',
        "self": b'{"prompt": "a", "size": {"$ref": "#"}}',
        "pickle": b"\x80\x04N.",
        "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
        "python": b"__import__('os').system('id')",
    }.items():
        yield raw(name, content)
    for kind in (
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"text/xml",
        b"application/octet-stream",
        b"application/yaml",
        b"",
        b"json",
        b"application/json-seq",
        None,
    ):
        yield raw(f"as {kind!r}", good, kind)
    yield raw("form", b"prompt=a+snowman", b"application/x-www-form-urlencoded")
    yield raw("too long", b'{"prompt": "' + b"a" * 3_000_000, status=413)


def pictures() -> Iterator[Hostile]:
    """Images as base64 in a request, with a good one before: it must not be kept either."""
    good = text(saved("PNG"))
    for name, data in hostile():
        yield asking(name, {"prompt": "go on", "images": [good, text(data)]}, 422)
    for label in ("png", "webp", "gif", "svg+xml"):
        yield asking(
            f"svg called {label}", {"prompt": "a", "images": [f"data:image/{label};base64,{text(b'<svg/>')}"]}, 422
        )
    yield asking("fewer images than markers", {"prompt": "<image> and <image>", "images": [good]}, 422)


IDS = (
    "run_no",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "run_%00",
    "%00",
    "run_\u202e",
    "a" * 5_000,
    "' OR 1=1 --",
    "run_1;DROP TABLE runs",
    "%0d%0aSet-Cookie:%20a=b",
    "-1",
    "null",
    "{run_id}",
    "*",
    "%ff",
    "run_1/../run_2",
)


def places(run: str, image: str) -> Iterator[Hostile]:
    """Paths, methods and queries; `run` is a run of the caller's own, and `image` a picture that another tenant has."""
    for name in IDS:
        for after in ("", "/events", f"/images/{'0' * 64}"):
            yield Hostile(f"{name[:30]}{after[:8]}", "GET", f"/interleave/{name}{after}", status=None)
        yield Hostile(f"cancel {name[:30]}", "DELETE", f"/interleave/{name}")
    for digest in (
        "0" * 63,
        "0" * 65,
        "A" * 64,
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "%00" + "0" * 61,
        "*",
        image,
        "0" * 64,
        "0" * 64 + "%0a",
        "٠" * 64,
        "0" * 5_000,
    ):
        yield Hostile(f"image {digest[:20]}", "GET", f"/interleave/{run}/images/{digest}")
    for method, path in [
        ("PUT", "/interleave"),
        ("DELETE", "/interleave"),
        ("PATCH", f"/interleave/{run}"),
        ("TRACE", "/interleave"),
        ("POST", f"/interleave/{run}"),
        ("PUT", f"/interleave/{run}/events"),
        ("POST", "/livez"),
        ("CONNECT", "/interleave"),
        ("DELETE", f"/interleave/{run}/events"),
        ("BREW", "/interleave"),
        ("OPTIONS", "/interleave"),
        ("PROPFIND", "/interleave"),
        ("POST", "/metrics"),
    ]:
        yield Hostile(f"{method} {path[:14]}", method, path, status=405)
    for query in (
        "limit=0",
        "limit=-1",
        "limit=101",
        "limit=1e2",
        "limit=x",
        "limit=" + "9" * 5_000,
        "cursor=x",
        "cursor=-1",
        "cursor=" + "9" * 100,
        "cursor=%00",
        "cursor=1%20OR%201=1",
        "cursor=٣",
        "cursor=1.5",
    ):
        yield Hostile(f"list {query[:20]}", "GET", f"/interleave?{query}", status=422)
    for query in ("after=-1", "after=x", "after=" + "9" * 30, "after=1.5", "after=%00"):
        yield Hostile(f"events {query[:12]}", "GET", f"/interleave/{run}/events?{query}", status=422)
    for last in (b"-1", b"x", b"9" * 30, b"1\x00", b"\xff"):
        yield Hostile(
            f"events since {last[:8]!r}", "GET", f"/interleave/{run}/events", headers=((b"Last-Event-ID", last),)
        )
    for path in (
        "/admin",
        "/.env",
        "//interleave",
        "/docs/../interleave/x",
        "/static/x",
    ):
        yield Hostile(f"path {path}", "GET", path)
    for name in (b"a\r\nSet-Cookie: a=b", b"a" * 5_000, b"\x00", b"<script>", b"\xff\xfe"):
        for header in (b"X-Request-Id", b"X-Run-Id", b"X-Tenant"):
            yield Hostile(
                f"{header!r} {name[:8]!r}", "GET", "/interleave/run_no", headers=((header, name),), status=404
            )


def wishes(run: str) -> Iterator[Hostile]:
    """What nobody can wish of a finished run."""
    wrong: dict[str, list[Any]] = {
        "steps/1/redraw": [
            None,
            [],
            1,
            {"prompt": ""},
            {"prompt": 1},
            {"prompt": "a" * 8_001},
            {"prompt": "a\0"},
            {"seed": -1},
            {"seed": 2**32},
            {"max_attempts": 0},
            {"max_attempts": 21},
            {"later": "never"},
            {"budget": {"max_draws": 0}},
            {"verdict": "accept"},
            {"prompt": {"$ref": "#"}},
        ],
        "steps/1/keep": [
            None,
            {},
            {"attempt": 0},
            {"attempt": -1},
            {"attempt": 10**30},
            {"attempt": "1; DROP"},
            {"attempt": 99},
        ],
        "branch": [
            None,
            {},
            {"from_step": 0},
            {"from_step": 99},
            {"from_step": 10**30},
            {"from_step": 1, "steps": []},
            {"from_step": 1, "steps": [{"index": 1, "prompt": "a"}, {"index": 3, "prompt": "b"}]},
            {"from_step": 1, "owner": "theirs"},
            {"from_step": 1, "webhook": {"url": "http://169.254.169.254/"}},
            {"from_step": 1, "webhook": {"url": "file:///etc/passwd"}},
            {"from_step": 1, "webhook": {"url": "x"}},
        ],
        "continue": [
            None,
            {},
            {"prompt": ""},
            {"prompt": "a\0"},
            {"prompt": "a" * 16_001},
            {"prompt": "a", "max_steps": 0},
            {"prompt": "a", "webhook": {"url": "http://127.0.0.1/", "events": ["finished"]}},
            {"prompt": "a", "webhook": {"url": "https://example.org/", "events": ["no"]}},
        ],
        "resume": [[], 1, {"budget": 1}, {"budget": {"max_draws": 0}}, {"status": "queued"}, {}],
        "plan/approve": [{}],
    }
    for place, bodies_ in wrong.items():
        for body in bodies_:
            name = f"{place} {str(body)[:40]}"
            yield Hostile(name, "POST", f"/interleave/{run}/{place}", json.dumps(body).encode(), JSON)
    for steps in (
        [],
        None,
        "x",
        [{"index": 1}] * 101,
        [{"index": 2, "prompt": "a"}, {"index": 1, "prompt": "b"}],
        [[]],
    ):
        body = json.dumps({"steps": steps}).encode()
        yield Hostile(f"plan {str(steps)[:30]}", "PUT", f"/interleave/{run}/plan", body, JSON)
    for step in ("0", "-1", "x", "1e3", "9" * 30, "%00", "999999"):
        yield Hostile(f"redraw {step[:9]}", "POST", f"/interleave/{run}/steps/{step}/redraw", b"{}", JSON)
    for key in (b"", b"a" * 256, b"\x00", b"a b\xff", b"\r\nx: y"):
        headers = (*JSON, (b"Idempotency-Key", key))
        yield Hostile(f"key {key[:8]!r}", "POST", f"/interleave/{run}/steps/99/redraw", b"{}", headers)
    for field in ("references", "webhook", "review_plan"):
        for value in (1, "x", {}, [1], ["#"], {"url": ""}, {"url": "ftp://example.org"}, ["http://127.0.0.1/a.png"]):
            yield asking(f"{field} {str(value)[:30]}", {"prompt": "a", field: value})


def strangers(run: str) -> Iterator[Hostile]:
    """The caller's own run, asked for by nobody that is known."""
    for bearer in (
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer null",
        b"Basic YTpi",
        b"Bearer itk_0_0",
        b"Bearer itk_" + b"0" * 12 + b"_" + b"a" * 43,
        b"Bearer a.b.c",
        b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
        b"Bearer \xff",
        b"Bearer " + b"a" * 50_000,
        b"Bearer ' OR 1=1 --",
        b"Digest a",
        b"itk_",
        b"Bearer\titk_",
    ):
        yield Hostile(
            f"bearing {bearer[:24]!r}", "GET", f"/interleave/{run}", headers=((b"Authorization", bearer),), status=401
        )
    for query in (
        "expires=9999999999&signature=" + "0" * 64,
        "expires=&signature=",
        "signature=a",
        "expires=-1&signature=a",
        "expires=" + "9" * 400 + "&signature=a",
        "expires=1e9&signature=a",
        "expires=9999999999&signature=%00",
    ):
        yield Hostile(f"link {query[:30]}", "GET", f"/interleave/{run}/images/{'0' * 64}?{query}", status=401)
