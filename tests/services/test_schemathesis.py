"""Every route against requests made up from its own OpenAPI document, good and bad ones: the document is true, and
nothing that a caller can write makes a server error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from interleavethinker.blobs import DirectoryBlobs
from interleavethinker.codec import clean
from services.orchestrator.doors.responses.ids import RESPONSE_ID
from services.orchestrator.idempotency import FORM
from tests.doors import orchestrator
from tests.generator_stack import serving

pytestmark = pytest.mark.slow
EXAMPLES = 15
NUMBERS = count()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("door")
    app = orchestrator(f"sqlite:///{home}/journal.db", DirectoryBlobs(home / "blobs"), "a hill", None, wait_seconds=0.5)
    with serving(app) as url:
        yield url


@pytest.fixture(scope="module")
def run(url: str) -> str:
    """A finished run, so that requests for one can meet one."""
    asked = httpx2.post(f"{url}/interleave", json={"prompt": "a story"}, headers={"Prefer": "wait=300"}, timeout=300)
    run_id = str(asked.json()["id"])
    httpx2.get(f"{url}/interleave/{run_id}/events", timeout=300)
    return run_id


never_opened = orchestrator("postgresql://nobody@127.0.0.1/none", DirectoryBlobs("none"))
schema = schemathesis.openapi.from_dict(never_opened.openapi())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_document_is_true(case: schemathesis.Case, url: str, run: str):
    named = str(case.path_parameters.get("run_id", ""))
    if re.fullmatch(r"\w{1,40}", named, re.ASCII) and len(named) % 2 == 0:
        case.path_parameters["run_id"] = run
    asked = str(case.path_parameters.get("response_id", ""))
    if re.fullmatch(RESPONSE_ID, asked, re.ASCII) and len(asked) % 2 == 0 and case.method != "DELETE":
        case.path_parameters["response_id"] = run  # other cases still want to meet it
    key = str(case.headers.get("Idempotency-Key") or "")
    if re.fullmatch(FORM, key):
        case.headers["Idempotency-Key"] = f"{key[:200]}{next(NUMBERS)}"  # a key of its own for each call
    excluded = [positive_data_acceptance] if says_more_than_schemas(case.body) else []
    case.call_and_validate(base_url=url, timeout=60, excluded_checks=excluded)


def says_more_than_schemas(body: object) -> bool:
    """Bytes that are a picture, public hosts, generators that are offered, numbers without a gap, texts that say
    something and hold no NUL: a request may be refused though it fits the schema."""
    if "\\u0000" in json.dumps(body, default=str):
        return True
    if not isinstance(body, dict):
        return False
    if "input" in body:
        return _response_says_more(body)
    prompt = str(body.get("prompt", "a"))
    return (
        "<image>" in prompt
        or not clean(prompt).strip()
        or "after" in body  # a step must say something, in one field or another
        or any(body.get(field) for field in ("images", "references", "webhook", "steps", "generator"))
    )


def _response_says_more(body: dict[str, object]) -> bool:
    """Items hold pictures, ids and texts, and two parameters may not agree."""
    given = body["input"]
    return (
        not isinstance(given, str)
        or not clean(given).strip()
        or bool(body.get("previous_response_id") or body.get("text") or body.get("instructions"))
        or (body.get("background") is True and body.get("store") is False)
    )
