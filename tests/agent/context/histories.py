"""Messages and histories for tests of the context, ordinary and hostile."""

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from agentsvc.domain.messages import (
    Base64Source,
    Block,
    DataBlock,
    HintBlock,
    Msg,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    ToolResultBlock,
    URLSource,
)


def text(words: str) -> TextBlock:
    return TextBlock(text=words)


def image(name: str = "a.png", url: str | None = None) -> DataBlock:
    source = URLSource(url=url, media_type="image/png") if url else Base64Source(data="cGl4", media_type="image/png")
    return DataBlock(source=source, name=name)


def call(call_id: str, arguments: str = '{"x": 1}', **fields: Any) -> ToolCallBlock:
    return ToolCallBlock(id=call_id, name="look", input=arguments, **_with(fields, state="finished"))


def result(call_id: str, output: Any = "seen", **fields: Any) -> ToolResultBlock:
    return ToolResultBlock(id=call_id, name="look", output=output, **_with(fields, state="success"))


def _with(fields: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    return defaults | fields


def user(*blocks: Any, **fields: Any) -> Msg:
    return Msg(name="user", role="user", content=_blocks(blocks), **fields)


def bot(*blocks: Any, **fields: Any) -> Msg:
    return Msg(name="bob", role="assistant", content=_blocks(blocks), **fields)


def _blocks(blocks: tuple[Any, ...]) -> list[Block]:
    return [text(block) if isinstance(block, str) else block for block in blocks]


_IDS = st.sampled_from(["", "a", "b", "c", "a-2", "a-1"])
_WORDS = st.sampled_from(["", " \n", "word", "ä\ud800", "x" * 100])
_TEXTS = st.builds(TextBlock, id=st.just("t"), created_at=st.just("now"), text=_WORDS)
_MEDIA = st.sampled_from(
    [
        DataBlock(id="d", created_at="now", source=Base64Source(data="cGl4", media_type="image/png")),
        DataBlock(id="d", created_at="now", source=Base64Source(data="", media_type="image/png")),
        DataBlock(id="d", created_at="now", source=URLSource(url="", media_type="image/png")),
        DataBlock(id="d", created_at="now", source=URLSource(url="https://example.com/a.png", media_type="image/png")),
    ]
)
_CONTENT = st.one_of(_WORDS, st.lists(_TEXTS | _MEDIA, max_size=3))
_ARGUMENTS = st.sampled_from(
    ['{"x": 1}', "", "{", "[1]", '"x"', "NaN", '{"x": NaN}', "[" * 2000, '{"x": "\\ud800"}', "\ud800"]
)
_CALLS = st.builds(
    ToolCallBlock,
    id=_IDS,
    created_at=st.just("now"),
    name=st.sampled_from(["", "look"]),
    input=_ARGUMENTS,
    state=st.sampled_from(["pending", "asking", "submitted", "allowed", "finished", "unheard of"]),
)
_RESULTS = st.builds(
    ToolResultBlock,
    id=_IDS,
    created_at=st.just("now"),
    name=st.just("look"),
    output=_CONTENT,
    state=st.sampled_from(["running", "success", "error", "denied", "interrupted", "unheard of"]),
)
_HINTS = st.builds(HintBlock, id=st.just("h"), created_at=st.just("now"), hint=_CONTENT)
_THOUGHTS = st.builds(
    ThinkingBlock,
    id=st.just("k"),
    created_at=st.just("now"),
    thinking=_WORDS,
    signature=st.sampled_from(["", "signed"]),
)
_ANY = st.one_of(_CALLS, _RESULTS, _RESULTS, _CALLS, _TEXTS, _MEDIA, _HINTS, _THOUGHTS)
_REPLIES = st.builds(bot, id=_IDS, created_at=st.just("now")).flatmap(
    lambda message: st.lists(_ANY, max_size=8).map(lambda content: replace(message, content=content))
)
_USERS = st.lists(_TEXTS | _MEDIA, max_size=3).map(lambda content: user(*content, id="u", created_at="now"))
_SYSTEMS = st.lists(_TEXTS, max_size=2).map(
    lambda content: Msg(name="system", role="system", content=[*content], id="s", created_at="now")
)
HISTORIES = st.lists(st.one_of(_REPLIES, _REPLIES, _USERS, _SYSTEMS), max_size=8)
"""Whatever may be stored after cuts, crashes and other people's bugs."""


@st.composite
def replies(draw: st.DrawFn) -> Msg:
    """A reply as the agent makes it: rounds of thought, text and calls, each call with its result."""
    blocks: list[Block] = []
    for number in range(draw(st.integers(0, 4))):
        blocks += draw(st.lists(st.just(ThinkingBlock(thinking="hm", signature="s")), max_size=1))
        blocks += draw(st.lists(st.just(text("so")), max_size=1))
        ids = [f"{number}-{each}" for each in range(draw(st.integers(0, 3)))]
        blocks += [call(each) for each in ids]
        blocks += [result(each, "seen " * draw(st.integers(1, 40))) for each in draw(st.permutations(ids))]
        blocks += draw(st.lists(st.just(HintBlock(hint="by the way")), max_size=1))
    return bot(*blocks)


def _numbered(conversation: list[Msg]) -> list[Msg]:
    """With ids that no two messages or calls have in common."""
    return [
        replace(message, id=f"m{number}", content=[_renamed(block, number) for block in message.content])
        for number, message in enumerate(conversation)
    ]


def _renamed(block: Block, number: int) -> Block:
    is_paired = isinstance(block, ToolCallBlock | ToolResultBlock)
    return replace(block, id=f"{number}-{block.id}") if is_paired else block


CONVERSATIONS = st.lists(st.one_of(replies(), st.just(user("go on", "please"))), max_size=8).map(_numbered)
"""What an agent and its user have really said and done."""
