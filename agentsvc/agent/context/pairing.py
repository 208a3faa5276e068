"""Calls and results of a history, so that each call has exactly one result, behind it in the same message."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from agentsvc.agent.context.cleaning import same
from agentsvc.agent.context.notices import info, quoted
from agentsvc.domain.messages import Block, HintBlock, Msg, TextBlock, ToolCallBlock, ToolResultBlock

_LOST = info("No result of this call was recorded.")

_Place = tuple[int, int]


def paired(messages: Sequence[Msg]) -> list[Msg]:
    """The messages in that form; those that have it are the same objects.

    A result that stands elsewhere moves to its call. A call without one gets one that says so, a result without a call
    becomes a hint. The id of a second call with the same id is changed. Hints wait until the calls before them are
    answered.
    """
    results = _matched(messages)
    moved = {id(result) for result in results.values()}
    used: dict[str, int] = {}
    written: list[Msg] = []
    for number, message in enumerate(messages):
        if message.role != "assistant":
            written.append(message)
            continue
        writer = _Writer(number, results, moved, used)
        for place, block in enumerate(message.content):
            writer.add(place, block)
        content = writer.close()
        if content:
            written.append(message if same(content, message.content) else replace(message, content=content))
    return written


class _Waiting(NamedTuple):
    """A call without a result so far, and how much had happened before it."""

    place: _Place
    age: int


def _matched(messages: Sequence[Msg]) -> dict[_Place, ToolResultBlock]:
    """The result of the call at each place.

    Among calls with the same id the first takes the first result, unless there has been another result, or a word of
    the user, between them: then the earlier one was given up.
    """
    waiting: dict[str, list[_Waiting]] = {}
    matched: dict[_Place, ToolResultBlock] = {}
    age = 0
    for number, message in enumerate(messages):
        age += message.role != "assistant"
        for place, block in enumerate(message.content):
            if isinstance(block, ToolCallBlock):
                calls = [call for call in waiting.get(block.id, ()) if call.age == age]
                waiting[block.id] = [*calls, _Waiting((number, place), age)]
            elif isinstance(block, ToolResultBlock):
                age += 1
                if waiting.get(block.id):
                    matched[waiting[block.id].pop(0).place] = block
    return matched


class _Writer:
    """Writes the blocks of one message in a form that every provider takes."""

    def __init__(
        self, message: int, results: Mapping[_Place, ToolResultBlock], matched: set[int], used: dict[str, int]
    ) -> None:
        self._message = message
        self._results = results
        self._matched = matched
        self._used = used
        self._written: list[Block] = []
        self._open: dict[int, ToolCallBlock] = {}
        self._answering = False
        self._held: list[Block] = []

    def add(self, place: int, block: Block) -> None:
        match block:
            case ToolResultBlock():
                self._result(block)
            case HintBlock():
                self._hint(block)
            case _:
                if self._answering:  # the next answer of the model: what is open will not be answered any more
                    self._settle()
                if isinstance(block, ToolCallBlock):
                    block = self._open[place] = self._unique(block)
                self._written.append(block)

    def close(self) -> list[Block]:
        """All that was written, nothing open."""
        self._settle()
        return self._written

    def _result(self, result: ToolResultBlock) -> None:
        if id(result) not in self._matched:
            self._hint(_orphan(result))
            return
        place = next((each for each in self._open if self._results.get((self._message, each)) is result), None)
        if place is None:
            return  # it was written behind its call
        self._answer(place, result)
        self._answering = bool(self._open)
        if not self._open:
            self._settle()

    def _answer(self, place: int, result: ToolResultBlock) -> None:
        call = self._open.pop(place)
        self._written.append(result if result.id == call.id else replace(result, id=call.id))

    def _hint(self, hint: HintBlock) -> None:
        (self._held if self._open else self._written).append(hint)

    def _settle(self) -> None:
        for place, call in list(self._open.items()):
            self._answer(place, self._results.get((self._message, place)) or _lost(call))
        self._written += self._held
        self._held = []
        self._answering = False

    def _unique(self, call: ToolCallBlock) -> ToolCallBlock:
        stem = call.id or "call"
        name, number = stem, self._used.get(stem, 1)
        while name in self._used:
            number += 1
            name = f"{stem}-{number}"
        self._used[stem] = number
        self._used.setdefault(name, 1)
        return call if name == call.id else replace(call, id=name)


def _lost(call: ToolCallBlock) -> ToolResultBlock:
    return ToolResultBlock(
        id=call.id,
        name=call.name,
        output=_LOST,
        state="interrupted",
        created_at=call.created_at,
        finished_at=call.created_at,
    )


def _orphan(result: ToolResultBlock) -> HintBlock:
    title = info(f"A result of {quoted(result.name)}, whose call is not shown any more:")
    blocks = [TextBlock(id=result.id, created_at=result.created_at, text=title)]
    if isinstance(result.output, str):
        blocks.append(TextBlock(id=result.id, created_at=result.created_at, text=result.output))
        return HintBlock(id=result.id, created_at=result.created_at, finished_at=result.created_at, hint=[*blocks])
    return HintBlock(
        id=result.id, created_at=result.created_at, finished_at=result.created_at, hint=[*blocks, *result.output]
    )
