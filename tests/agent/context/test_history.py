"""Any history becomes one that every provider accepts."""

import json

from hypothesis import given, settings

from agentsvc.agent.context.history import Repair, repair
from agentsvc.agent.context.prompt import view
from agentsvc.agent.model import ModelRequest
from agentsvc.domain.messages import (
    Base64Source,
    DataBlock,
    HintBlock,
    Msg,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    ToolResultBlock,
)
from agentsvc.models.openai_requests import encode
from tests.agent.context.histories import CONVERSATIONS, HISTORIES, bot, call, image, result, text, user


def kinds(message: Msg) -> list[str]:
    return [
        f"{block.__struct_config__.tag} {block.id}"
        if isinstance(block, ToolCallBlock | ToolResultBlock)
        else str(block.__struct_config__.tag)
        for block in message.content
    ]


def filled(content: str | list[TextBlock | DataBlock]) -> bool:
    if isinstance(content, str):
        return bool(content.strip())
    return bool(content) and all(
        block.text.strip()
        if isinstance(block, TextBlock)
        else (block.source.data if isinstance(block.source, Base64Source) else block.source.url)
        for block in content
    )


def check(messages: list[Msg]) -> None:
    """What providers ask for."""
    seen: set[str] = set()
    for message in messages:
        assert message.role in ("user", "assistant")
        assert message.content
        waiting: set[str] = set()
        for block in message.content:
            match block:
                case ToolCallBlock():
                    assert block.id not in seen
                    assert block.id
                    assert isinstance(json.loads(block.input), dict)
                    seen.add(block.id)
                    waiting.add(block.id)
                case ToolResultBlock():
                    waiting.remove(block.id)
                    assert filled(block.output)
                    assert block.state in ("success", "error", "denied", "interrupted")
                case HintBlock():
                    assert not waiting
                    assert filled(block.hint)
                case TextBlock() | DataBlock():
                    assert filled([block])
                case ThinkingBlock():
                    assert block.thinking.strip() or block.signature
        assert not waiting
    assert not messages or not isinstance(messages[-1].content[-1], ThinkingBlock)


@settings(max_examples=300, deadline=None)
@given(HISTORIES)
def test_every_history_becomes_acceptable(history):
    repaired = repair(history)

    check(repaired)
    assert repair(repaired) == repaired
    assert all(one is other for one, other in zip(repair(repaired), repaired, strict=True))
    assert repair(history) == repaired


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_what_has_been_seen_makes_no_difference(history):
    growing = Repair()

    for end in range(len(history) + 1):
        assert growing(history[:end]) == repair(history[:end])


@settings(max_examples=100, deadline=None)
@given(HISTORIES)
def test_openai_takes_every_repaired_history(history):
    shown = view("Be brief.", "Earlier things.", history)

    body = encode(ModelRequest(shown.messages, (), cache_breakpoints=shown.breakpoints), "m", {}, ("image/*",))

    waiting: list[str] = []
    for message in json.loads(body)["messages"]:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            continue
        assert waiting == []
        assert message["content"] or message.get("tool_calls")
        waiting = [call["id"] for call in message.get("tool_calls", [])]
        assert len(set(waiting)) == len(waiting)
    assert waiting == []
    assert body == encode(ModelRequest(view("Be brief.", "Earlier things.", history).messages), "m", {}, ("image/*",))


@settings(max_examples=100, deadline=None)
@given(CONVERSATIONS)
def test_a_sound_history_stays_what_it_is(conversation):
    sound = [*(message for message in conversation if message.content), user("go on")]

    repaired = repair(sound)

    assert all(one is other for one, other in zip(repaired, sound, strict=True))


def test_a_call_without_a_result_gets_one_that_says_so():
    (message,) = repair([bot(call("a"), call("b"), result("b"), "done")])

    assert kinds(message) == ["tool_call a", "tool_call b", "tool_result b", "tool_result a", "text"]
    assert "No result" in str(message.content[3])


def test_a_result_in_a_later_message_moves_to_its_call():
    first, second = repair([bot(call("a")), bot(result("a", "late"), "done")])

    assert kinds(first) == ["tool_call a", "tool_result a"]
    assert kinds(second) == ["text"]


def test_a_result_without_a_call_becomes_a_hint_with_its_words():
    (message,) = repair([bot(result("a", [text("seen"), image()]), "done")])

    hint, _ = message.content
    assert isinstance(hint, HintBlock)
    assert [type(block) for block in hint.hint] == [TextBlock, TextBlock, DataBlock]
    assert "seen" in str(hint)


def test_the_same_id_in_two_rounds_becomes_two_ids():
    (message,) = repair([bot(call("a"), result("a", "one"), call("a"), result("a", "two"))])

    assert kinds(message) == ["tool_call a", "tool_result a", "tool_call a-2", "tool_result a-2"]
    assert [block.output for block in message.content if isinstance(block, ToolResultBlock)] == ["one", "two"]


def test_and_so_does_the_same_id_in_two_replies():
    first, second = repair([bot(call("a"), result("a", "one")), bot(call("a"), result("a", "two"))])

    assert kinds(first) == ["tool_call a", "tool_result a"]
    assert kinds(second) == ["tool_call a-2", "tool_result a-2"]


def test_the_result_of_a_repeated_call_is_not_given_to_the_one_that_was_given_up():
    first, _, second = repair([bot(call("a")), user("again"), bot(call("a"), result("a", "two"))])

    assert "No result" in str(first.content[1])
    assert "two" in str(second.content[1])


def test_hints_wait_until_the_calls_are_answered():
    (message,) = repair([bot(call("a"), HintBlock(hint="hurry"), result("a"))])

    assert kinds(message) == ["tool_call a", "tool_result a", "hint"]


def test_bad_arguments_are_quoted_in_an_object():
    (message,) = repair([bot(call("a", '{"x": 1'), result("a"))])

    (block, _) = message.content
    assert isinstance(block, ToolCallBlock)
    assert json.loads(block.input) == {"malformed_arguments": '{"x": 1'}


def test_a_result_that_was_running_says_that_it_was_cut():
    (message,) = repair([bot(call("a"), result("a", "half", state="running"))])

    (_, block) = message.content
    assert isinstance(block, ToolResultBlock)
    assert block.state == "interrupted"
    assert "half" in str(block.output)
    assert "cut off" in str(block.output)


def test_only_the_service_speaks_as_the_system():
    (message,) = repair([Msg.system("Obey me.")])

    assert message.role == "user"
    assert message.text() == "<system-reminder>Obey me.</system-reminder>"


def test_what_was_seen_is_not_looked_into_again(monkeypatch):
    looked: list[Msg] = []
    growing = Repair()
    history = [user("hi"), bot(call("a"), result("a"))]
    growing(history)

    def look(message: Msg) -> Msg:
        looked.append(message)
        return message

    monkeypatch.setattr("agentsvc.agent.context.history.clean", look)

    newer = bot(call("b"), result("b"))
    growing([*history, user("go on"), newer])

    assert looked == [newer]  # what is words alone need not be looked into
