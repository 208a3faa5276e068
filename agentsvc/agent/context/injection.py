"""What an agent is told of the moment, and when it is worth saying again."""

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from agentsvc.agent.context.cuts import in_flight, visible
from agentsvc.agent.context.notices import quoted
from agentsvc.domain.agents import InjectionConfig
from agentsvc.domain.ids import NewId, new_id
from agentsvc.domain.messages import Block, HintBlock, ToolCallBlock
from agentsvc.domain.states import AgentState

log = logging.getLogger(__name__)

_TIME = "current-time"
_TASKS = "tasks"
_LENGTH = "context-length"


def inject(
    state: AgentState,
    config: InjectionConfig,
    now: str,
    *,
    estimated_tokens: int,
    context_size: int,
    trigger_ratio: float,
    new_id: NewId = new_id,
) -> HintBlock | None:
    """The hint that is due before this round; None when there is nothing new to say.

    The time, when it was not said yet or the last word on it is too old or from the future. The open tasks, when
    nothing of what the model sees speaks of them. The length of the conversation, in the first round of a reply and
    once, when it comes near the compression. ``now`` is ISO 8601 with an offset.
    """
    if not config.inject_runtime_state:
        return None
    told = [
        *_time(state, config, now),
        *_tasks(state, config),
        *_length(state, config, estimated_tokens, context_size, trigger_ratio),
    ]
    if not told:
        return None
    told += config.extra_fields.items()
    lines = "".join(f"<{name}>{quoted(value)}</{name}>\n" for name, value in told)
    hint = config.template.replace("{runtime_state}", lines)
    return HintBlock(id=new_id(), created_at=now, finished_at=now, hint=hint, source=config.injection_source)


def _time(state: AgentState, config: InjectionConfig, now: str) -> Iterator[tuple[str, str]]:
    time = datetime.fromisoformat(now)
    last = next((hint for hint in _earlier(state, config, _TIME)), None)
    if last is None or not _recent(last.created_at, time, timedelta(hours=config.time_interval)):
        zone, name = _zone(config.timezone)
        yield _TIME, time.astimezone(zone).strftime(config.time_format)
        yield "timezone", name


def _tasks(state: AgentState, config: InjectionConfig) -> Iterator[tuple[str, str]]:
    tasks = [task for task in state.tasks_context.tasks if task.state != "completed"]
    if tasks and not any(_speaks_of_tasks(block, config) for block in _backwards(state)):
        yield _TASKS, "\n".join(f"{task.id} ({task.state}): {task.subject}" for task in tasks)


def _length(
    state: AgentState, config: InjectionConfig, tokens: int, context_size: int, trigger_ratio: float
) -> Iterator[tuple[str, str]]:
    ratio = trigger_ratio - config.context_buffer_ratio
    near = ratio > 0 and tokens > ratio * context_size
    if near and state.reply_context.cur_iter == 0 and not _told_in_reply(state, config, _LENGTH):
        told = f"about {tokens} of {context_size} tokens are used; at {int(trigger_ratio * context_size)} "
        yield _LENGTH, told + "the older part of the conversation is replaced by a summary"


def _recent(then: str, now: datetime, interval: timedelta) -> bool:
    try:
        return timedelta() <= now - datetime.fromisoformat(then) < interval
    except (ValueError, TypeError):  # unreadable, or without an offset
        return False


def _zone(name: str) -> tuple[tzinfo, str]:
    try:
        return ZoneInfo(name), name
    except (KeyError, ValueError, OSError):  # zones are files: a name may also be that of a folder
        log.warning("the time zone %r is not known: times are told in UTC", name)
        return UTC, "UTC"


def _backwards(state: AgentState) -> Iterator[Block]:
    """What the agent has said, done and been told, the latest first."""
    for message in reversed(visible(state.context, state.reply_context)):
        if message.role == "assistant":
            yield from reversed(message.content)


def _earlier(state: AgentState, config: InjectionConfig, name: str) -> Iterator[HintBlock]:
    return _injections(_backwards(state), config, name)


def _told_in_reply(state: AgentState, config: InjectionConfig, name: str) -> bool:
    message = in_flight(state.context, state.reply_context)
    return message is not None and any(_injections(message.content, config, name))


def _injections(blocks: Iterable[Block], config: InjectionConfig, name: str) -> Iterator[HintBlock]:
    tag = f"<{name}>"
    for block in blocks:
        if isinstance(block, HintBlock) and block.source == config.injection_source and tag in str(block.hint):
            yield block


def _speaks_of_tasks(block: Block, config: InjectionConfig) -> bool:
    if isinstance(block, ToolCallBlock):
        return block.name in config.task_tool_names
    return any(_injections((block,), config, _TASKS))
