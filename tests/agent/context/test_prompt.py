"""What a model is shown: always the same, and only ever longer at its end."""

from agentsvc.agent.context.history import Repair
from agentsvc.agent.context.prompt import view
from agentsvc.agent.model import ModelRequest
from agentsvc.domain.messages import HintBlock, Msg
from agentsvc.models.openai_requests import encode
from tests.agent.context.histories import bot, call, image, result, text, user

HISTORY = [user("hi"), bot("ho"), user("look")]


def body(messages: list[Msg]) -> bytes:
    return encode(ModelRequest(messages), "m", {}, ())


def test_system_prompt_and_summary_come_first():
    shown = view("Be brief.", "They met.", HISTORY)

    assert [message.role for message in shown.messages] == ["system", "user", "user", "assistant", "user"]
    assert [message.text() for message in shown.messages[:2]] == ["Be brief.", "They met."]
    assert shown.messages[2] is HISTORY[0]


def test_what_is_empty_is_left_out():
    assert view("", "", HISTORY).messages == HISTORY


def test_a_summary_may_hold_media():
    shown = view("", [text("They met."), image()], HISTORY)

    assert len(shown.messages[0].content) == 2


def test_the_same_gives_the_same_bytes_and_more_gives_more():
    remembered = Repair()
    reply = bot("so", call("a"), result("a"), id="r")
    longer = bot(*reply.content, HintBlock(hint="hurry"), "so", call("b"), result("b"), id="r")

    before, again = (view("Be brief.", "They met.", [*HISTORY, reply]).messages for _ in range(2))
    after = view("Be brief.", "They met.", [*HISTORY, longer], remembered).messages

    assert body(before) == body(again)
    assert before == again
    end = body(before).index(b'],"stream"')
    assert body(after)[:end] == body(before)[:end]


def test_breakpoints_are_after_what_stays():
    reply = bot(call("a"), result("a"))

    assert view("Be brief.", "They met.", [*HISTORY, reply]).breakpoints == (1, 4, 5)
    assert view("Be brief.", "", HISTORY).breakpoints == (0, 3)
    assert view("", "", []).breakpoints == ()


def test_an_answer_that_goes_on_is_asked_for():
    assert "Go on" in str(view("", "", [user("hi"), bot("half")]).messages[-1].text())
    for end in (result("a"), HintBlock(hint="hurry")):
        shown = view("", "", [user("hi"), bot(call("a"), *([result("a")] if isinstance(end, HintBlock) else []), end)])
        assert shown.messages[-1].role == "assistant"
