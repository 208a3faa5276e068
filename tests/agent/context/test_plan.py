"""Whether a conversation is shortened, and where it is cut."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agentsvc.agent.context.cuts import visible
from agentsvc.agent.context.plan import fitted, plan
from agentsvc.agent.context.portions import portions
from agentsvc.agent.context.tokens import of_blocks
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import HintBlock, Msg, ThinkingBlock, ToolCallBlock, ToolResultBlock
from agentsvc.domain.states import ReplyContext
from tests.agent.context.histories import CONVERSATIONS, bot, call, image, result, text, user

CONFIG = ContextConfig()
IDLE = ReplyContext()
LONG = "x" * 400


def planned(context: list[Msg], reply: ReplyContext = IDLE, tokens: int = 1000, size: int = 1000):
    return plan(context, reply, tokens, CONFIG, context_size=size)


def ids(messages: list[Msg], kind: type[ToolCallBlock | ToolResultBlock]) -> list[str]:
    return [block.id for message in messages for block in message.content if isinstance(block, kind)]


def size(messages: list[Msg]) -> int:
    return sum(of_blocks(message.content) for message in messages)


def blocks(messages: list[Msg]) -> list[object]:
    return [block for message in messages for block in message.content]


def test_under_the_trigger_nothing_happens():
    context = [user(LONG), bot(LONG)]

    assert planned(context, tokens=799) is None
    assert planned(context, tokens=800) is not None


def test_the_next_attempt_waits_until_the_conversation_has_grown():
    context = [user(LONG), bot(LONG)]

    assert plan(context, ReplyContext(), 900, CONFIG, context_size=1000, last_tokens=851) is None
    assert plan(context, ReplyContext(), 901, CONFIG, context_size=1000, last_tokens=851) is not None


@settings(max_examples=300, deadline=None)
@given(CONVERSATIONS, st.booleans(), st.data())
def test_each_half_stands_by_itself_and_nothing_is_lost(conversation, replying, data):
    reply = ReplyContext()
    if replying and conversation:
        last = conversation[-1]
        reply = ReplyContext(reply_id=last.id, summarised=data.draw(st.sampled_from(ends_of_rounds(last))))
    shown = visible(conversation, reply)

    found = planned(conversation, reply)

    unanswered = visible(said_last(conversation, reply), ReplyContext())
    if found is None:
        assert blocks(shown) == blocks(unanswered)
        return
    kept = visible(found.reserved, ReplyContext(reply_id=reply.reply_id, summarised=found.summarised))
    assert found.compressed
    assert blocks([*found.compressed, *kept]) == blocks(shown)
    assert size(kept) <= max(100, size(unanswered))
    assert blocks(kept)[len(blocks(kept)) - len(blocks(unanswered)) :] == blocks(unanswered)
    assert found.freed == size(list(found.compressed))
    for half in (list(found.compressed), kept):
        assert sorted(ids(half, ToolCallBlock)) == sorted(ids(half, ToolResultBlock))
    if kept and kept[0].id == found.compressed[-1].id:
        assert not isinstance(found.compressed[-1].content[-1], ThinkingBlock | ToolCallBlock)
    if reply.reply_id:
        assert found.reserved[-1] is conversation[-1]


def said_last(context: list[Msg], reply: ReplyContext) -> list[Msg]:
    """What the user has said and the reply has not begun to answer."""
    if not context:
        return []
    content = context[-1].content if reply.reply_id else []
    if own := [place for place, block in enumerate(content) if not isinstance(block, HintBlock)]:
        behind_words = not isinstance(content[own[-1]], ToolResultBlock)
        return [replace(context[-1], content=content[own[-1] + 1 + behind_words :])]
    said = context[:-1] if reply.reply_id else context
    before = next((place for place in range(len(said), 0, -1) if said[place - 1].role != "user"), 0)
    return context[before:] if before < len(said) else []


def test_what_the_user_has_just_said_stays_as_it_was_said():
    context = [user("hi"), bot(LONG), user(LONG), user("now")]

    found = planned(context)

    assert found is not None
    assert list(found.reserved) == context[2:]
    assert planned([user(LONG)]) is None


def ends_of_rounds(message: Msg) -> list[int]:
    return [0, *(place + 1 for place, block in enumerate(message.content) if ends_round(message, place))]


def ends_round(message: Msg, place: int) -> bool:
    here, after = message.content[place], message.content[place + 1 : place + 2]
    return isinstance(here, ToolResultBlock) and not any(isinstance(block, ToolResultBlock) for block in after)


def test_as_much_as_fits_is_reserved():
    context = [user(LONG), bot("y" * 240, id="b"), user("z" * 160)]

    found = planned(context)

    assert found is not None
    assert found.reserved == context[1:]
    assert found.compressed == context[:1]


def test_a_message_is_cut_between_its_rounds():
    reply = bot(call("a"), result("a", LONG), "so", call("b"), result("b", "seen"), id="r")

    found = planned([user("hi"), reply], ReplyContext(reply_id="r"))

    assert found is not None
    assert found.summarised == 2
    assert found.reserved == [reply]
    assert found.compressed[-1].content == reply.content[:2]


def test_an_earlier_message_keeps_only_its_end():
    earlier = bot(call("a"), result("a", LONG), "so", id="r")

    found = planned([earlier, user("hi")])

    assert found is not None
    assert found.reserved[0].id == "r"
    assert found.reserved[0].content == earlier.content[2:]
    assert found.summarised == 0


def test_when_the_last_round_alone_is_too_long_it_is_summarised():
    reply = bot(call("a"), result("a", LONG * 2), id="r")

    found = planned([user("hi"), reply], ReplyContext(reply_id="r"))

    assert found is not None
    assert found.summarised == 2
    assert found.reserved == [reply]


def test_little_is_summarised_when_there_is_nothing_else():
    context = [user("hi"), bot("ho", id="r")]

    found = planned(context, ReplyContext(reply_id="r"))

    assert found is not None
    assert found.compressed == context
    assert found.summarised == 1


def test_calls_that_wait_are_never_summarised():
    for waiting in (
        [call("b", state="asking")],
        [call("b", state="submitted")],
        [call("b", state="pending")],
        [call("b", state="allowed"), result("b", LONG, state="running")],
    ):
        reply = bot(call("a"), result("a"), *waiting, text(LONG), id="r")

        found = planned([user("hi"), reply], ReplyContext(reply_id="r"))

        assert found is not None
        assert found.summarised == 2


def test_images_that_are_not_shown_weigh_nothing():
    context = [user(*[image() for _ in range(10)]), bot(LONG), user("hi")]

    found = plan(context, ReplyContext(), 20_000, CONFIG, context_size=20_000)

    assert found is not None
    assert found.freed < 11_000
    assert found.compressed == context[:1]


@settings(max_examples=100, deadline=None)
@given(CONVERSATIONS, st.integers(10, 200))
def test_the_end_that_fits_is_what_is_sent(conversation, room):
    shown = visible(conversation, ReplyContext())

    sent = fitted(shown, room)

    assert bool(sent) == bool(shown)
    if sent and len(sent) > 2 and sent[0].id == "notice" and sent[1].id != "notice":
        assert size(sent[1:]) <= room
        assert blocks(sent[1:]) == blocks(shown)[-len(blocks(sent[1:])) :]
    if size(shown) <= room:
        assert sent == shown


def test_a_last_word_that_is_too_long_is_told_in_short():
    _, told = fitted([user("hi"), user("a" * 4000 + "the end")], 100)

    assert told.role == "user"
    assert size([told]) < 150
    assert "the end" in str(told.text())


@settings(max_examples=100, deadline=None)
@given(CONVERSATIONS)
def test_portions_are_the_whole_in_order(conversation):
    shown = visible(conversation, ReplyContext())

    found = portions(shown, 400)

    assert blocks([message for portion in found for message in portion]) == blocks(shown)
    assert all(size(portion) <= 400 for portion in found)


def test_there_are_only_so_many_portions():
    found = portions([user(LONG) for _ in range(50)], 100)

    assert len(found) == 8
    assert "too long to be read" in str(found[0])
