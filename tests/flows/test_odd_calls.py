"""Calls as some models make them: ids that come again or break paths, names of nothing, neighbours of every kind."""

import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer, words
from tests.fakes.tools import lines
from tests.flows.rooms import script
from tests.questions import approvals, asked, by, confirmed, delivered, results, wanted
from tests.service import User

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")


async def test_calls_with_the_same_id_in_one_answer_are_two_questions(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Calls([Call("deploy", {"mark": mark}, id="call_0") for mark in "ab"]))
    provider.script(*words("All done"))
    async with talk.stream() as stream:
        await talk.told("go")
        for _ in range(2):
            await talk.told(confirmed(await asked(stream, talk)))
        reply = await stream.reply()
    await talk.idle()

    assert [each.state for each in results(reply)] == ["success"] * 2
    assert lines(trace) == ["deploy a", "deploy b"]
    assert (await talk.messages())[-1] == reply


async def test_an_id_that_comes_again_in_every_turn_is_a_new_question_each_time(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    async with talk.stream() as stream:
        for turn in "12":
            script(provider, *(Call("deploy", {"mark": f"{mark}{turn}"}, id="call_0") for mark in "ab"))
            await talk.told("go")
            for way in ("chat", "approvals"):
                assert await by(way, talk, await asked(stream, talk), yes=True) == 200
            await stream.reply()
            await talk.idle()

    assert lines(trace) == ["deploy a1", "deploy b1", "deploy a2", "deploy b2"]
    assert [each["status"] for each in await approvals(talk)] == ["approved"] * 4


@pytest.mark.parametrize(
    "given", ["a/b?c#d%2e", "../x", " ", "x" * 5000, "é\u202e", "a\nb", "null", "{s:1}"], ids=ascii
)
async def test_a_call_can_be_answered_whatever_id_the_model_gives_it(
    ada: User, provider: OpenAIServer, trace: Path, given: str
) -> None:
    talk = await ada.conversation(provider.url)
    script(provider, Call("deploy", {"mark": "a"}, id=given))
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        path = f"/approvals/{quote(question.tool_calls[0].id, safe='')}/answer"
        answer = await ada.ask("POST", path, {"confirmed": True})
        assert answer.status_code == 200, answer.text
        await stream.reply()

    assert lines(trace) == ["deploy a"]


@pytest.mark.parametrize("name", ["x" * 10_000, "de\nploy", "../deploy", "deploy\x00", "deploy ", "Ж"], ids=ascii)
async def test_a_call_of_a_tool_that_is_not_there_is_an_error_for_the_model(
    ada: User, provider: OpenAIServer, trace: Path, name: str
) -> None:
    talk = await ada.conversation(provider.url)
    script(provider, Call(name, {"mark": "a"}))
    await talk.told("go")
    await talk.idle()
    reply = (await talk.messages())[-1]

    assert [each.state for each in results(reply)] == ["error"]
    assert (reply.text(), lines(trace)) == ("All done", [])


async def test_a_call_for_the_client_before_a_question_is_dealt_with_first(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    calls = [Call("camera", {"mark": "a"}), Call("deploy", {"mark": "a"}), Call("echo", {"text": "e"})]
    provider.script(Calls(calls))
    provider.script(*words("All done"))
    async with talk.stream() as stream:
        await talk.told("go")
        await talk.told(delivered(await wanted(stream, talk)))
        await talk.told(confirmed(await asked(stream, talk)))
        reply = await stream.reply()

    assert [each.state for each in results(reply)] == ["success"] * 3
    assert lines(trace) == ["deploy a"]
