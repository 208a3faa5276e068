"""What an agent is told of the moment, and when."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from agentsvc.agent.context.injection import inject
from agentsvc.domain.agents import InjectionConfig
from agentsvc.domain.messages import HintBlock, Msg
from agentsvc.domain.states import AgentState, ReplyContext, Task, TasksContext
from tests.agent.context.histories import bot, call, result, user

CONFIG = InjectionConfig()
NOW = "2026-11-24T09:30:00.000000+00:00"


def later(hours: float) -> str:
    return (datetime.fromisoformat(NOW) + timedelta(hours=hours)).isoformat()


def state(*messages: Msg, **fields: Any) -> AgentState:
    return AgentState(session_id="s1", context=[*messages], **fields)


def told(
    known: AgentState,
    config: InjectionConfig = CONFIG,
    now: str = NOW,
    tokens: int = 0,
) -> HintBlock | None:
    return inject(known, config, now, estimated_tokens=tokens, context_size=1000, trigger_ratio=0.8)


def words(hint: HintBlock | None) -> str:
    assert hint is not None
    assert isinstance(hint.hint, str)
    return hint.hint


def first() -> HintBlock:
    hint = told(state(user("hi")))
    assert hint is not None
    return hint


def tasks(*states: Any) -> TasksContext:
    return TasksContext(
        tasks=[
            Task(id=str(number), subject=f"Do <{number}>", description="", created_at=NOW, state=each)
            for number, each in enumerate(states)
        ]
    )


def test_the_time_is_told_in_the_first_turn():
    hint = told(state(user("hi")), InjectionConfig(timezone="Europe/Berlin"))

    assert "<current-time>2026-11-24T10:30:00</current-time>" in words(hint)
    assert "<timezone>Europe/Berlin</timezone>" in words(hint)
    assert hint is not None
    assert (hint.created_at, hint.finished_at, hint.source) == (NOW, NOW, InjectionConfig().injection_source)


@pytest.mark.parametrize(("hours", "again"), [(0.49, False), (0.5, True), (-0.1, True)])
def test_it_is_told_again_when_the_last_word_on_it_is_old_or_from_the_future(hours, again):
    known = state(user("hi"), bot(first()))

    assert (told(known, now=later(hours)) is not None) == again


@pytest.mark.parametrize("stamp", ["", "soon", "2026-11-24T09:30:00"])
def test_a_stamp_that_cannot_be_read_is_none(stamp):
    known = state(bot(replace(first(), created_at=stamp)))

    assert told(known) is not None


def test_hints_of_others_tell_no_time():
    assert told(state(bot(replace(first(), source="somebody")))) is not None


def test_a_time_that_is_in_the_summary_is_told_again():
    known = state(bot(first(), "so", id="r"), reply_context=ReplyContext(reply_id="r", summarised=1))

    assert told(known) is not None


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "", "../etc", "Europe", "a\x00b"])
def test_an_unknown_time_zone_is_utc(zone):
    hint = told(state(user("hi")), InjectionConfig(timezone=zone))

    assert "09:30:00" in words(hint)
    assert "<timezone>UTC</timezone>" in words(hint)


def test_open_tasks_are_told_when_nothing_speaks_of_them():
    known = state(bot(first()), tasks_context=tasks("pending", "completed", "in_progress"))

    assert "<tasks>0 (pending): Do &lt;0&gt;\n2 (in_progress): Do &lt;2&gt;</tasks>" in words(told(known))


def test_tasks_that_were_told_called_for_or_done_are_not():
    open_tasks = tasks("pending")
    hint = told(state(tasks_context=open_tasks))
    assert hint is not None

    asked = replace(call("a"), name="TaskList")
    for known in (
        state(bot(hint), tasks_context=open_tasks),
        state(bot(first(), asked, result("a")), tasks_context=open_tasks),
        state(bot(first()), tasks_context=tasks("completed")),
    ):
        assert told(known) is None


def test_a_conversation_that_is_nearly_full_is_told_in_the_first_round_and_once():
    def in_round(number: int, *blocks: Any) -> AgentState:
        return state(bot(first()), bot(*blocks, id="r"), reply_context=ReplyContext(reply_id="r", cur_iter=number))

    assert told(in_round(0), tokens=600) is None
    hint = told(in_round(0), tokens=601)
    assert "about 601 of 1000 tokens" in words(hint)
    assert told(in_round(1), tokens=601) is None
    assert told(in_round(0, hint), tokens=601) is None


def test_extra_fields_come_along_and_are_no_reason():
    config = InjectionConfig(extra_fields={"place": "Ulm & <b>"})

    assert "<place>Ulm &amp; &lt;b&gt;</place>" in words(told(state(), config))
    assert told(state(bot(first())), config) is None


def test_it_can_be_switched_off():
    assert told(state(), InjectionConfig(inject_runtime_state=False)) is None


def test_the_template_is_around_it():
    assert words(told(state(), InjectionConfig(template="{a} {runtime_state}!"))).startswith("{a} <current-time>")
    for raw in (b'{"template": "nothing"}', b'{"extra_fields": {"a b": "c"}}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(raw, type=InjectionConfig)
