"""A person is asked before a tool does harm, and answers now, later, twice, wrongly or never."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from agentsvc.agent.permissions import Examination, WholeTool
from agentsvc.agent.tool import ToolBase, ToolChunk, tool
from agentsvc.domain import events as ev
from agentsvc.domain.messages import Msg, ToolCallBlock, ToolResultBlock
from agentsvc.domain.permissions import PermissionContext, PermissionRule, Reason
from agentsvc.domain.states import AgentState
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, call, text

RAN: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@tool
async def touch(path: str) -> str:
    """Make a file."""
    RAN.append(path)
    return f"made {path}"


@tool(read_only=True)
async def look(path: str) -> str:
    """See what is there."""
    RAN.append(f"look {path}")
    return "nothing"


class Risky(ToolBase):
    """Its questions are of safety."""

    name = "risky"
    description = "Dangerous."
    input_schema = {"type": "object", "properties": {}}  # noqa: RUF012 - an attribute of the base
    is_concurrency_safe = True

    async def check_permissions(self, tool_input: dict[str, Any], context: PermissionContext) -> Examination:
        return WholeTool(opinion="ask", reason=Reason(code="danger", message="It may explode.", safety=True))

    async def call(self) -> ToolChunk:
        RAN.append("risky")
        return ToolChunk.text("boom")


def talk_of(*scripts: Any, tools: list[ToolBase] | None = None, state: AgentState | None = None) -> Talk:
    return Talk(ScriptedModel(*scripts), tools=tools or [touch, look, Risky()], mode="default", state=state)


def states(message: Msg) -> list[str]:
    return [block.state for block in message.content if isinstance(block, ToolResultBlock)]


def always(name: str = "touch") -> PermissionRule:
    return PermissionRule(tool_name=name, rule_content=None, behavior="allow", source="session")


async def test_a_call_that_is_asked_about_parks_the_reply() -> None:
    talk = talk_of(call("touch", '{"path":"a"}'))

    message = await talk.say("go")

    assert talk.kinds()[-2:] == ["MODEL_CALL_END", "REQUIRE_USER_CONFIRM"]
    assert (talk.reply.parked, message.finished_reason, RAN) == (True, None, [])
    assert [each.state for each in talk.asked()] == ["asking"]
    assert talk.state.reply_context.reply_id == message.id
    assert [(each.id, each.status) for each in talk.state.approvals] == [(talk.asked()[0].id, "pending")]


async def test_the_question_says_why_and_what_would_answer_it() -> None:
    talk = talk_of([*call("touch", '{"path":"a"}'), *call("risky", index=1)])

    await talk.say("go")

    (plain, risky), reasons = talk.asked(), [event.metadata["reasons"] for event in talk.of(ev.RequireUserConfirm)]
    assert plain.suggested_rules == [replace(always(), source="suggested")]
    assert risky.suggested_rules == []
    assert not reasons[0][plain.id].safety
    assert reasons[1][risky.id] == Reason(code="danger", message="It may explode.", safety=True)


async def test_an_approved_call_runs_once_in_the_same_reply() -> None:
    talk = talk_of(call("touch", '{"path":"a"}'), text("Done"))
    first = await talk.say("go")

    message = await talk.confirm(*talk.asked())

    assert talk.kinds()[:4] == ["USER_CONFIRM_RESULT", "TOOL_RESULT_START", "TOOL_RESULT_TEXT_DELTA", "TOOL_RESULT_END"]
    assert "REPLY_START" not in talk.kinds()
    assert (message.id, message.finished_reason, RAN) == (first.id, "completed", ["a"])
    assert talk.state.approvals[0].status == "approved"


async def test_edited_arguments_are_what_runs() -> None:
    talk = talk_of(call("touch", '{"path":"a"}'), text("Done"))
    await talk.say("go")

    message = await talk.confirm(replace(talk.asked()[0], input='{"path":"b"}'))

    assert RAN == ["b"]
    assert [block.input for block in message.content if isinstance(block, ToolCallBlock)] == ['{"path":"b"}']


async def test_another_tool_cannot_be_put_in_its_place() -> None:
    talk = talk_of(call("touch", '{"path":"a"}'), text("Done"))
    await talk.say("go")
    asked = talk.asked()[0]

    await talk.confirm(replace(asked, name="risky", input="{}"))

    assert (talk.events, talk.reply.parked, RAN) == ([], True, [])
    await talk.confirm(asked)
    assert RAN == ["a"]


async def test_a_refusal_is_a_denied_result_and_the_reply_goes_on() -> None:
    talk = talk_of([*call("touch", '{"path":"a"}'), *call("look", '{"path":"b"}', index=1)], text("A pity"))
    await talk.say("go")

    message = await talk.confirm(*talk.asked(), confirmed=False)

    assert sorted(states(message)) == ["denied", "success"]
    assert (message.finished_reason, message.text()) == ("completed", "A pity")
    assert RAN == ["look b"]


async def test_a_partial_answer_runs_what_it_allows_and_counts_no_round() -> None:
    names = "abc"
    calls = [step for index, name in enumerate(names) for step in call("risky", "{}", index=index)]
    talk = talk_of(calls, text("Done"))
    await talk.say("go")
    asked = talk.asked()

    await talk.confirm(asked[1])

    assert (len(asked), RAN, talk.reply.parked) == (3, ["risky"], True)
    assert talk.state.reply_context.cur_iter == 0
    await talk.confirm(asked[0])
    message = await talk.confirm(asked[2])
    assert (RAN, message.finished_reason) == (["risky"] * 3, "completed")


async def test_an_answer_that_comes_twice_changes_nothing() -> None:
    talk = talk_of([*call("touch", '{"path":"a"}'), *call("risky", index=1)], text("Done"))
    await talk.say("go")
    asked = talk.asked()
    await talk.confirm(asked[0])
    before = talk.state.context[-1]

    await talk.confirm(asked[0], confirmed=False)

    assert (talk.events, talk.state.context[-1], RAN) == ([], before, ["a"])


async def test_an_answer_to_another_reply_changes_nothing() -> None:
    talk = talk_of(call("touch", '{"path":"a"}'))
    await talk.say("go")
    results = [ev.ConfirmResult(confirmed=True, tool_call=each) for each in talk.asked()]

    await talk.go_on(answer=ev.UserConfirmResult(reply_id="another", confirm_results=results))

    assert (talk.events, talk.reply.parked, RAN) == ([], True, [])


async def test_identical_questions_of_a_batch_are_asked_once_and_always_allow_answers_them_all() -> None:
    talk = talk_of([*call("touch", '{"path":"a"}'), *call("touch", '{"path":"b"}', index=1)], text("Done"))
    await talk.say("go")
    asked = talk.asked()

    message = await talk.confirm(*asked, rules=[always()])

    assert (len(asked), RAN, message.finished_reason) == (1, ["a", "b"], "completed")
    assert talk.state.permission_context.allow_rules == {"touch": [always()]}
    assert [event.name for event in talk.of(ev.Custom)] == [ev.STATE_UPDATED]


async def test_identical_questions_are_asked_again_when_the_answer_was_for_one() -> None:
    talk = talk_of([*call("touch", '{"path":"a"}'), *call("touch", '{"path":"b"}', index=1)], text("Done"))
    await talk.say("go")

    await talk.confirm(*talk.asked())

    assert (RAN, talk.reply.parked, len(talk.asked())) == (["a"], True, 1)


async def test_questions_of_safety_are_asked_one_by_one() -> None:
    talk = talk_of([*call("risky"), *call("risky", index=1)])

    await talk.say("go")

    assert len(talk.asked()) == 2


async def test_a_rule_for_another_tool_is_not_taken() -> None:
    talk = talk_of(call("touch", '{"path":"a"}'), text("Done"))
    await talk.say("go")

    await talk.confirm(*talk.asked(), rules=[always("risky")])

    assert (RAN, talk.state.permission_context.allow_rules) == (["a"], {})


async def test_a_rule_holds_in_the_next_reply() -> None:
    talk = talk_of(call("touch", '{"path":"a"}'), text("Done"), call("touch", '{"path":"b"}'), text("Again"))
    await talk.say("go")
    await talk.confirm(*talk.asked(), rules=[always()])

    message = await talk.say("once more")

    assert (RAN, message.finished_reason) == (["a", "b"], "completed")


async def test_a_denial_of_the_rules_is_a_denied_result() -> None:
    rule = PermissionRule(tool_name="touch", rule_content=None, behavior="deny", source="user")
    context = PermissionContext(deny_rules={"touch": [rule]})
    state = AgentState(session_id="s1", permission_context=context)
    talk = talk_of(call("touch", '{"path":"a"}'), text("A pity"), state=state)

    message = await talk.say("go")

    assert (states(message), RAN) == (["denied"], [])


async def test_what_a_person_allowed_is_still_denied_by_a_rule() -> None:
    talk = talk_of(call("touch", '{"path":"a"}'), text("A pity"))
    await talk.say("go")
    rule = PermissionRule(tool_name="touch", rule_content=None, behavior="deny", source="user")
    talk.state.permission_context = PermissionContext(deny_rules={"touch": [rule]})

    message = await talk.confirm(*talk.asked())

    assert (states(message), RAN) == (["denied"], [])


class Server:
    """Tools from elsewhere that say of themselves what they like."""

    version = 1

    def __init__(self, *, trusted: bool) -> None:
        self.trusted = trusted

    async def tools(self) -> Sequence[ToolBase]:
        @tool(read_only=True, always_allowed=True)
        async def erase() -> str:
            """It only reads, it says."""
            RAN.append("erase")
            return "gone"

        return [erase]


@pytest.mark.parametrize("trusted", [True, False])
async def test_what_a_source_says_of_its_tools_counts_only_when_it_is_trusted(trusted: bool) -> None:
    talk = Talk(ScriptedModel(call("erase"), text("Done")), tools=[Server(trusted=trusted)], mode="default")

    await talk.say("go")

    assert talk.reply.parked is not trusted
    assert [each.suggested_rules for each in talk.asked()] == ([] if trusted else [[suggested("erase")]])
    ran = ["erase"] if trusted else []
    assert ran == RAN


def suggested(name: str) -> PermissionRule:
    return replace(always(name), source="suggested")


async def test_a_stop_closes_what_is_parked() -> None:
    talk = talk_of([*call("touch", '{"path":"a"}'), *call("risky", index=1)])
    parked = await talk.say("go")
    talk.interruption.request()

    message = await talk.go_on()

    closed = ["TOOL_RESULT_START", "TOOL_RESULT_TEXT_DELTA", "TOOL_RESULT_END"]
    assert talk.kinds() == ["CUSTOM", *closed * 2, "REPLY_END"]
    assert (message.id, message.finished_reason, states(message)) == (parked.id, "interrupted", ["interrupted"] * 2)
    assert {each.status for each in talk.state.approvals} == {"withdrawn"}


async def test_a_sequential_call_that_is_asked_about_holds_back_the_next() -> None:
    @tool(concurrent=False, always_allowed=True)
    async def after() -> str:
        """Come last."""
        RAN.append("after")
        return ""

    @tool(concurrent=False)
    async def before() -> str:
        """Come first."""
        RAN.append("before")
        return ""

    talk = talk_of([*call("before"), *call("after", index=1)], text("Done"), tools=[before, after])
    await talk.say("go")
    held = list(RAN)

    await talk.confirm(*talk.asked())

    assert (held, RAN) == ([], ["before", "after"])


async def test_the_events_of_a_parked_and_answered_reply_fold_to_what_the_agent_remembers() -> None:
    talk = talk_of([*call("touch", '{"path":"a"}'), *call("risky", index=1)], text("Done"))
    await talk.say("go")
    asked, seen = talk.asked(), list(talk.events)
    await talk.confirm(asked[0], rules=[always()])
    seen += talk.events
    message = await talk.confirm(asked[1], confirmed=False)
    talk.events[:0] = seen

    assert talk.folded() == message == talk.state.context[-1]
