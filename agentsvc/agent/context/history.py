"""Histories as providers accept them, whatever has been stored."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from agentsvc.agent.context.cleaning import clean
from agentsvc.agent.context.pairing import paired
from agentsvc.domain.messages import Msg, TextBlock, ThinkingBlock, ToolCallBlock


def repair(context: Sequence[Msg]) -> list[Msg]:
    """The conversation in a form that every provider accepts; what is sound is the same object.

    Every call has a JSON object as its arguments, an id of its own, and one result behind it in the same message;
    nothing is empty; only users and assistants speak; and the end is no thought that nothing came of. It takes any
    history, changes nothing the second time, and says the same of the same.
    """
    return Repair()(context)


class _Seen(Struct, frozen=True):
    """``cleaned`` is None when nothing is left. ``sound``: calls and results are in order within the message."""

    message: Msg
    cleaned: Msg | None
    sound: bool
    calls: tuple[str, ...]


class Repair:
    """``repair`` for a conversation that grows: a message that was there the last time is not looked into again."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def __call__(self, context: Sequence[Msg]) -> list[Msg]:
        if all(map(_plain, context)):
            return list(context)
        looked = [self._look(message) for message in context]
        # Holding the message keeps its id from being given to another.
        self._seen = {id(each.message): each for each in looked}
        messages = [each.cleaned for each in looked if each.cleaned is not None]
        calls = [call for each in looked for call in each.calls]
        if not all(each.sound for each in looked) or len(set(calls)) < len(calls):
            messages = paired(messages)
        return _without_last_thought(messages)

    def _look(self, message: Msg) -> _Seen:
        known = self._seen.get(id(message))
        if known is not None and known.message is message:
            return known
        if _plain(message):
            return _Seen(message, message, sound=True, calls=())
        cleaned = clean(message)
        if cleaned is None:
            return _Seen(message, None, sound=True, calls=())
        alone = paired([cleaned])
        calls = tuple(block.id for block in cleaned.content if isinstance(block, ToolCallBlock))
        return _Seen(message, cleaned, sound=len(alone) == 1 and alone[0] is cleaned, calls=calls)


def _plain(message: Msg) -> bool:
    """Most messages are words alone, with which nothing can be wrong."""
    if message.role == "system" or not message.content:
        return False
    return all(isinstance(block, TextBlock) and block.text.strip() for block in message.content)


def _without_last_thought(messages: list[Msg]) -> list[Msg]:
    while messages and isinstance(messages[-1].content[-1], ThinkingBlock):
        *before, last = messages
        content = last.content
        while content and isinstance(content[-1], ThinkingBlock):
            content = content[:-1]
        messages = [*before, replace(last, content=content)] if content else before
    return messages
