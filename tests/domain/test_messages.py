"""Messages: who may say what, and that they are read as they were written."""

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from agentsvc.domain.messages import (
    Base64Source,
    Block,
    DataBlock,
    HintBlock,
    Msg,
    Role,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    ToolResultBlock,
    URLSource,
    decode_message,
    encode_message,
)
from agentsvc.domain.permissions import PermissionRule
from agentsvc.domain.states import AgentState

TEXT = TextBlock(text="hi")
IMAGE = DataBlock(source=Base64Source(data="aGk=", media_type="image/png"), name="a.png")
LINK = DataBlock(source=URLSource(url="https://example.com/a.png", media_type="image/png"))
THOUGHT = ThinkingBlock(
    thinking="hm", signature="s", redacted_thinking_data="r", reasoning_item_id="i", extras={"unheard_of": [1, None]}
)
HINT = HintBlock(hint=[TEXT, LINK], source="clock")
RULE = PermissionRule(tool_name="look", rule_content=None, behavior="allow")
CALL = ToolCallBlock(id="c1", name="look", input='{"x":', state="asking", suggested_rules=[RULE])
RESULT = ToolResultBlock(id="c1", name="look", output=[TEXT, IMAGE], state="success", metadata={"n": 1})


@pytest.mark.parametrize(
    ("role", "block", "allowed"),
    [
        *[("user", block, True) for block in (TEXT, IMAGE, LINK)],
        *[("user", block, False) for block in (THOUGHT, HINT, CALL, RESULT)],
        ("system", TEXT, True),
        *[("system", block, False) for block in (IMAGE, THOUGHT, HINT, CALL, RESULT)],
        *[("assistant", block, True) for block in (TEXT, IMAGE, LINK, THOUGHT, HINT, CALL, RESULT)],
    ],
)
def test_each_role_holds_its_own_kinds_of_blocks(role: Role, block: Block, allowed: bool):
    if allowed:
        assert Msg(name="a", role=role, content=[block]).content == [block]
        return

    with pytest.raises(ValueError, match=rf"content\[0\]: a {role} message cannot hold a"):
        Msg(name="a", role=role, content=[block])


def test_a_role_is_kept_to_also_when_a_message_is_read():
    raw = msgspec.json.encode({"name": "a", "role": "user", "content": [CALL]})

    with pytest.raises(msgspec.ValidationError, match="cannot hold a tool_call block"):
        decode_message(raw)


@pytest.mark.parametrize("make", [Msg.user, Msg.system])
def test_a_plain_text_becomes_one_block(make: Any):
    message = make("hi")

    assert [block.text for block in message.content] == ["hi"]
    assert message.text() == "hi"


def test_the_text_of_a_message_is_that_of_its_text_blocks():
    assert Msg(name="a", role="assistant", content=[TEXT, CALL, TEXT]).text() == "hi\nhi"
    assert Msg(name="a", role="assistant", content=[CALL]).text() is None


@pytest.mark.parametrize(
    "block",
    [
        *(TEXT, IMAGE, LINK, THOUGHT, HINT, CALL, RESULT),
        ThinkingBlock(thinking="hm"),
        HintBlock(hint="now"),
        ToolResultBlock(id="c1", name="look", output="seen"),
    ],
)
def test_every_block_is_read_as_it_was_written(block: Block):
    message = Msg(name="a", role="assistant", content=[block], metadata={"a": [None]})

    assert decode_message(encode_message(message)) == message


def test_what_a_provider_does_not_want_back_is_not_written():
    raw = encode_message(Msg(name="a", role="assistant", content=[ThinkingBlock(thinking="hm")]))

    assert b"signature" not in raw
    (block,) = decode_message(raw).content
    assert isinstance(block, ThinkingBlock)
    assert block.signature is UNSET


def test_keys_that_nobody_knows_are_ignored_and_missing_ones_have_defaults():
    raw = b'{"name":"a","role":"assistant","mood":1,"content":[{"type":"thinking","thinking":"","vendor":{"x":1}}]}'

    message = decode_message(raw)

    (block,) = message.content
    assert isinstance(block, ThinkingBlock)
    assert (block.thinking, block.finished_at, len(block.id)) == ("", None, 32)
    assert (message.metadata, message.usage, message.finished_reason) == ({}, None, None)


def test_an_unknown_kind_of_block_is_refused_by_its_path_and_left_out_of_what_is_stored():
    raw = b'{"name":"a","role":"assistant","content":[{"type":"text","text":"hi"},{"type":"hologram"}]}'

    with pytest.raises(msgspec.ValidationError, match=r"hologram.*content\[1\]\.type"):
        msgspec.json.decode(raw, type=Msg)
    assert decode_message(raw).text() == "hi"


def test_a_known_kind_that_is_malformed_is_an_error_with_its_path():
    raw = b'{"name":"a","role":"assistant","content":[{"type":"text","text":3}]}'

    with pytest.raises(msgspec.ValidationError, match=r"Expected `str`, got `int` - at `\$\.content\[0\]\.text`"):
        decode_message(raw)


def test_a_state_of_an_earlier_version_has_the_defaults_of_this_one():
    raw = b'{"session_id":"s1","summary":"so far","curr_iter":3,"reply_id":"r","context":[]}'

    state = msgspec.json.decode(raw, type=AgentState)

    assert state == AgentState(session_id="s1", summary="so far")
