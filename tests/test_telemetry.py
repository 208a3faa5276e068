"""Log entries say whom they belong to and hold no secrets."""

import asyncio
import io
import json
import logging
from urllib.parse import quote

import pytest

from agentsvc import telemetry

log = logging.getLogger("agentsvc.tests")


@pytest.fixture
def written(logging_kept):
    """Set logging up and get what is written."""
    stream = io.StringIO()

    def configure(level: telemetry.Level = "info", form: telemetry.Format = "plain"):
        telemetry.configure(level, form, stream)
        return stream

    return configure


def test_a_plain_line_says_whom_it_belongs_to(written):
    stream = written()

    with telemetry.bound(request_id="r1", user="ada"):
        log.info("hello %s", "world")

    line = stream.getvalue()
    assert line.endswith(" INFO agentsvc.tests: hello world [request_id=r1 user=ada]\n")


def test_a_line_of_json_can_be_read_by_a_machine(written):
    stream = written(form="json")

    with telemetry.bound(user="ada"), telemetry.bound(session="s1", run="n1"):
        log.warning('with "quotes" and\nlines')

    entry = json.loads(stream.getvalue())
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "warning",
        "logger": "agentsvc.tests",
        "message": 'with "quotes" and\nlines',
        "user": "ada",
        "session": "s1",
        "run": "n1",
    }


def test_an_error_comes_with_its_traceback(written):
    stream = written(form="json")

    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("it failed")

    entry = json.loads(stream.getvalue())
    assert entry["message"] == "it failed"
    assert entry["error"].endswith("ValueError: broken")


def test_text_of_users_cannot_forge_a_plain_entry(written):
    stream = written()

    with telemetry.bound(user="ada\n2026 ERROR"):
        log.info("a\nb\r\nc")

    assert stream.getvalue().count("\n") == 1


def test_half_characters_are_written_too(written):
    stream = written(form="json")

    log.info("file %s", "\udcff")

    assert json.loads(stream.getvalue())["message"] == "file \\udcff"


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_secret_is_masked_in_messages_and_tracebacks(written, form):
    stream = written(form=form)
    telemetry.secret('canary"secret')

    try:
        raise ValueError('refused canary"secret')
    except ValueError:
        log.exception("key %s", 'canary"secret')

    assert "canary" not in stream.getvalue()
    assert stream.getvalue().count(telemetry.MASK) >= 2


def test_a_short_value_is_not_masked():
    telemetry.secret("abc")

    assert telemetry.masked("abcdef") == "abcdef"


async def test_tasks_belong_to_where_they_were_started():
    async def seen():
        await asyncio.sleep(0)
        return telemetry.context()

    with telemetry.bound(run="one"):
        one = asyncio.create_task(seen())
    with telemetry.bound(run="two"):
        two = asyncio.create_task(seen())

    assert [(await one).run, (await two).run] == ["one", "two"]
    assert telemetry.context() == telemetry.Context()


def test_the_level_counts_and_chatty_libraries_only_warn(written):
    stream = written(level="info")

    log.debug("too fine")
    logging.getLogger("_granian").info("ASGI transport error")
    logging.getLogger("httpx2").info("HTTP Request: POST")
    logging.getLogger("_granian").warning("worker is gone")

    assert stream.getvalue().count("\n") == 1
    assert "worker is gone" in stream.getvalue()


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_secret_is_masked_however_it_is_written(written, form):
    stream, value = written(form=form), 'sk-/"\\+=4713'
    telemetry.secret(value)

    log.info("%s %s %s %s", value, json.dumps(value), json.dumps(value).replace("/", "\\/"), quote(value, safe=""))

    assert "4713" not in stream.getvalue()
    assert stream.getvalue().count(telemetry.MASK) == 4
