"""What a provider does wrong ends the reply, and nothing else."""

import sys

import pytest

from agentsvc.domain.events import ReplyEnd, TextBlockDelta
from tests.fakes.openai_scripts import Chunk, Cut, Fail, Finish, Hang, Hold, Raw, Step, Text
from tests.fakes.openai_server import OpenAIServer
from tests.service import Conversation, User, free_port

PROGRAM = (sys.executable, "-m", "tests.fakes.impatient")

SAID = "the provider's own words"
ERROR = {"error": {"message": SAID, "type": "server_error"}}
PARTIAL = (Text("So far "), Hold())
FAILURES: dict[str, tuple[list[Step], str]] = {
    "401": ([Fail(401, SAID)], "authentication"),
    "403": ([Fail(403, SAID)], "permission"),
    "400": ([Fail(400, SAID)], "invalid_request"),
    "404": ([Fail(404, SAID)], "invalid_request"),
    "429": ([Fail(429, SAID, {"retry-after": "3600"})], "rate_limit"),
    "500": ([Fail(500, SAID)], "upstream"),
    "redirect": ([Fail(302, SAID, {"location": f"http://localhost/{SAID}"})], "invalid_request"),
    "a page": ([Fail(200, SAID, {"content-type": "text/html"})], "upstream"),
    "silence": ([Hang()], "connection"),
    "silence after a part": ([*PARTIAL, Hang()], "connection"),
    "a cut": ([*PARTIAL, Cut()], "connection"),
    "an error after a part": ([*PARTIAL, Chunk(ERROR), Cut()], "upstream"),
    "no JSON": ([*PARTIAL, Raw(f"data: {{{SAID}\n\n".encode()), Finish()], "upstream"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_provider_that_fails_ends_the_reply_in_our_words(
    ada: User, provider: OpenAIServer, failure: str
) -> None:
    steps, kind = FAILURES[failure]
    talk = await ada.conversation(provider.url)
    provider.default = steps  # a request that is tried again fails again

    async with talk.stream() as stream:
        await talk.told("hi")
        if steps[:2] == [*PARTIAL]:
            await stream.until(TextBlockDelta)
            provider.release()
        end: ReplyEnd = await stream.until(ReplyEnd)
    await talk.idle()
    provider.default = None
    answered = await answered_again(talk)

    assert end.error is not None
    assert (end.finished_reason, end.error.type, bool(end.error.message)) == ("error", kind, True)
    said, broken, _, _ = await talk.messages()
    assert said.text() == "hi"
    assert (broken.finished_reason, broken.error) == ("error", end.error)
    assert broken.text() == ("So far " if steps[0] == PARTIAL[0] else None)
    assert SAID not in repr(stream.events)
    assert SAID not in (await ada.ask("GET", talk.path("/messages"))).text
    assert answered == "All is well."


async def test_a_provider_that_is_not_there_ends_the_reply(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(f"http://127.0.0.1:{free_port()}/v1")

    end = await failed(talk, "hi")

    assert end.error is not None
    assert end.error.type == "connection"
    assert [each.text() for each in await talk.messages()] == ["hi", None]


async def test_a_provider_that_fails_for_a_moment_is_asked_again(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Fail(500))
    provider.script(Cut())
    provider.script(Text("At last"))

    async with talk.stream() as stream:
        await talk.told("hi")
        reply = await stream.reply()

    assert (reply.finished_reason, reply.text()) == ("completed", "At last")
    assert len(provider.requests) == 3


async def test_without_a_model_the_reply_says_so_until_there_is_one(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.session(await ada.agent())

    end = await failed(talk, "hi")
    await with_model(talk, await ada.credential(provider.url))
    answered = await answered_again(talk)

    assert end.error is not None
    assert end.error.type == "setup"
    assert "model" in end.error.message
    assert (await talk.messages())[0].text() == "hi"
    assert answered == "All is well."


async def test_without_its_credential_the_reply_says_so_until_there_is_another(
    ada: User, provider: OpenAIServer
) -> None:
    credential = await ada.credential(provider.url)
    talk = await ada.session(await ada.agent(), credential)
    await ada.ask("DELETE", f"/credential/{credential}")

    end = await failed(talk, "hi")
    await with_model(talk, await ada.credential(provider.url))
    answered = await answered_again(talk)

    assert end.error is not None
    assert end.error.type == "setup"
    assert answered == "All is well."


async def failed(talk: Conversation, text: str) -> ReplyEnd:
    """How the reply to this ends."""
    async with talk.stream() as stream:
        await talk.told(text)
        end: ReplyEnd = await stream.until(ReplyEnd)
    await talk.idle()
    assert end.finished_reason == "error"
    return end


async def answered_again(talk: Conversation) -> str | None:
    """What the next reply says."""
    async with talk.stream() as stream:
        await talk.told("[[text=All%20is%20well.]]")
        reply = await stream.reply()
    await talk.idle()
    return reply.text()


async def with_model(talk: Conversation, credential_id: str) -> None:
    model = {"type": "openai_credential", "credential_id": credential_id, "model": "scripted"}
    answer = await talk.user.ask("PATCH", talk.path(), {"chat_model_config": model})
    assert answer.status_code == 200, answer.text
