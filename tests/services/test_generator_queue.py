"""What the queue takes: JSON messages that name a job, and nothing that could run."""

from __future__ import annotations

import pickle

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads

from services.generator_service.queue import celery_app
from services.generator_service.settings import GeneratorSettings


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('a message was run')",)


def test_messages_are_json_only():
    conf = celery_app(GeneratorSettings(), "redis://127.0.0.1:1").conf
    assert conf.task_serializer == conf.result_serializer == conf.event_serializer == "json"
    assert conf.accept_content == conf.result_accept_content == ["json"]
    assert conf.task_ignore_result and not conf.worker_enable_remote_control


@pytest.mark.parametrize(
    "kind", ["application/x-python-serialize", "pickle", "application/x-yaml", "application/x-msgpack"]
)
def test_other_messages_are_refused_unread(kind: str):
    accepted = celery_app(GeneratorSettings(), "redis://127.0.0.1:1").conf.accept_content
    with pytest.raises(ContentDisallowed):
        loads(pickle.dumps(Trap()), kind, "binary", accept={f"application/{name}" for name in accepted}, force=True)
