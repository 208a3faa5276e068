"""What must hold of a reply, however it came about."""

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from agentsvc.agent.context.pairing import paired
from agentsvc.domain import events as ev
from agentsvc.domain.fold import Fold
from agentsvc.domain.messages import HintBlock, Msg, TextBlock, ToolCallBlock, ToolResultBlock
from agentsvc.domain.states import AgentState
from tests.agent.toolbox import AGAIN

_BLOCKS = ("TEXT_BLOCK", "THINKING_BLOCK", "DATA_BLOCK", "TOOL_CALL", "TOOL_RESULT")


def folded(events: Sequence[ev.Event]) -> Msg:
    """What a client makes of events as they come over the wire."""
    start = events[0]
    assert isinstance(start, ev.ReplyStart)
    fold = Fold.start(start)
    for event in events:
        fold.apply(ev.decode_event(ev.encode_event(event)))
    return fold.message()


def check_order(events: Sequence[ev.Event], *, ended: bool) -> None:
    """Each part of the reply begins once, is told of in between, and ends once."""
    began: Counter[tuple[str, str]] = Counter()
    over: Counter[tuple[str, str]] = Counter()
    for event in events:
        kind, _, step = str(event.__struct_config__.tag).rpartition("_")
        kind = kind.removesuffix("_TEXT").removesuffix("_DATA") if kind.startswith("TOOL_RESULT") else kind
        if kind in _BLOCKS:
            key = kind, str(getattr(event, "tool_call_id", "") or getattr(event, "block_id", ""))
            began[key] += step == "START"
            over[key] += step == "END"
            assert began[key] == 1, f"{event} before its start, or begun twice"
            assert over[key] == (step == "END"), f"{event} after its end"
    calls = {key for key in began if key[0] == "TOOL_RESULT"}
    assert all(over[key] == 1 for key in began if ended or key not in calls)
    kinds = Counter(str(event.__struct_config__.tag) for event in events)
    assert kinds["REPLY_START"] == 1
    assert kinds["REPLY_END"] == ended
    assert kinds["MODEL_CALL_START"] == kinds["MODEL_CALL_END"]
    assert not ended or isinstance(events[-1], ev.ReplyEnd)


def check_message(message: Msg, *, ended: bool) -> None:
    """No call has two results, and when the reply has ended each has one, that follows it and is finished."""
    results = [block for block in message.content if isinstance(block, ToolResultBlock)]
    calls = [block for block in message.content if isinstance(block, ToolCallBlock)]
    assert len({each.id for each in results}) == len(results)
    assert len({each.id for each in calls}) == len(calls)
    assert not ended or sound([message])
    repeated = [each for each in results if each.name == AGAIN and each.state == "success"]
    assert {text_of(each) for each in repeated} <= {"onetwo"}
    assert all(block.finished_at for block in message.content if ended or not isinstance(block, ToolResultBlock))
    if ended:
        assert [each.id for each in calls if each.state != "finished"] == []
        assert {each.id for each in calls} == {each.id for each in results}
        assert all(each.state != "running" for each in results)


def text_of(result: ToolResultBlock) -> str:
    return "".join(item.text for item in result.output if isinstance(item, TextBlock))


def check_questions(state: AgentState, waiting: Sequence[ToolCallBlock]) -> None:
    """There is one open question for each call that waits, and no other."""
    kinds = {"asking": "confirmation", "submitted": "external_execution"}
    pending = Counter((each.id, each.kind) for each in state.approvals if each.status == "pending")
    assert pending == Counter((call.id, kinds[call.state]) for call in waiting)


def sound(context: Sequence[Msg]) -> bool:
    """Nothing has to be repaired before a model is shown it, but that an empty message is left out."""
    filled = [message for message in context if message.content]
    return paired(filled) == filled


def ends_with(state: AgentState, message: Msg) -> bool:
    """The context ends with the message, or with what of it is not in the summary."""
    last = state.context[-1] if state.context else None
    if last is None or last.id != message.id:
        return bool(state.summary)
    rest = message.content[len(message.content) - len(last.content) :] if state.summary else message.content
    return last == replace(message, content=rest)


def discarded(events: Sequence[ev.Event]) -> bool:
    """Whether whoever keeps a transcript drops the message."""
    return any(isinstance(event, ev.ReplyEnd) and "discarded" in event.metadata for event in events)


def leaves_no_trace(state: AgentState, message: Msg) -> bool:
    """Nothing of the reply is in the context; what was said to it is there, unless it is in the summary."""
    said = [block for block in message.content if isinstance(block, HintBlock) and _by_a_user(block)]
    standing = {each.id: each for each in state.context}
    lost = [hint for hint in said if hint.id not in standing]
    return (
        message.id not in standing
        and (not lost or bool(state.summary))
        and all(each.role == "user" for each in standing.values() if each.id in {hint.id for hint in said})
    )


def _by_a_user(hint: HintBlock) -> bool:
    return hint.source is not None and '"User"' in hint.source
