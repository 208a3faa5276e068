"""A session that lives through a script: each worker has only what the one before it has left in writing."""

import asyncio
from contextlib import aclosing
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct

from agentsvc.agent.agent import Agent
from agentsvc.agent.answers import Answer
from agentsvc.agent.interruption import Interruption
from agentsvc.agent.loop import Reply
from agentsvc.agent.standing import open_calls
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig, InjectionConfig, ReActConfig
from agentsvc.domain.messages import Msg, ToolCallBlock, ToolResultBlock
from agentsvc.domain.permissions import PermissionContext, PermissionRule
from agentsvc.domain.states import AgentState
from tests.agent.improviser import Improviser
from tests.agent.scripts import Death, Reaction, Script, Turn
from tests.agent.toolbox import toolbox

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AgentState).decode
_FORBIDDEN = PermissionRule(tool_name="forbidden", rule_content=None, behavior="deny")


class Entry(Struct, frozen=True):
    """What was recorded, and how many events of this worker belong to it."""

    state: bytes
    events: int


class Ledger:
    """A journal that could be read again by somebody else."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.settled = 0
        self.happened: list[ev.Event] = []
        self.reply: Reply

    def record(self) -> None:
        self.entries.append(Entry(_encode(self.reply.state), len(self.happened)))

    async def settle(self) -> None:
        self.settled = len(self.entries)

    def surviving(self, death: Death) -> Entry | None:
        left = max(self.settled, len(self.entries) - death.lost)
        return self.entries[left - 1] if left else None


class Life:
    """``kept`` are the events of the reply that count, ``seen`` those that a client was shown, also in vain."""

    def __init__(self, script: Script) -> None:
        self.box = toolbox(self._stop)
        self.model = Improviser(script, self._stop)
        self.agent = Agent(
            "bob",
            "Be brief.",
            self.model,
            toolkit=Toolkit(self.box.tools),
            config=ReActConfig(max_iters=3, structured_output_grace_iters=2),
            context_config=ContextConfig(tool_result_limit=script.result_limit, max_image_num=1),
            injection_config=InjectionConfig(),
        )
        rules = PermissionContext(deny_rules={"forbidden": [_FORBIDDEN]})
        self.saved = _encode(AgentState(session_id="s1", permission_context=rules))
        self.kept: list[ev.Event] = []
        self.seen: list[ev.Event] = []
        self.stops = 0
        self._wanted = False
        self._interruption = Interruption()
        self._deaths: list[Death] = []
        self._stop_after: int | None = None
        self._schema: dict[str, Any] | None = None
        self._ticks = count()

    @property
    def state(self) -> AgentState:
        return _decode(self.saved)

    @property
    def open(self) -> bool:
        return bool(self.state.reply_context.reply_id)

    @property
    def structured(self) -> bool:
        return self._schema is not None

    @property
    def waiting(self) -> list[ToolCallBlock]:
        """The calls that somebody is asked about, or to carry out."""
        calls = open_calls(self.state.context[-1]) if self.open else []
        return [call for call in calls if call.state in ("asking", "submitted")]

    async def calm(self) -> None:
        """Whatever is on its way has arrived, and counts no more."""
        await asyncio.sleep(0)
        self.model.forget()
        self._wanted = False

    async def begin(self, turn: Turn) -> None:
        """A new reply, to its end or to where it is parked."""
        self.kept, self.seen = [], []
        self._deaths, self._stop_after = list(turn.deaths), turn.stop
        self._schema = PLACE if turn.structured else None
        await self._reply([Msg.user("go")])

    async def react(self, reaction: Reaction) -> None:
        """Somebody does something about the questions."""
        match reaction.kind:
            case "go_on":
                await self._reply()
            case "stop":
                await self.stop()
            case _:
                await self._reply(answer=self._answer(reaction))

    async def stop(self) -> None:
        """Somebody interrupts a parked reply."""
        self._wanted = True
        await self._reply()

    async def _reply(self, inputs: list[Msg] | None = None, answer: Answer | None = None) -> None:
        """One worker and, when it dies, the next. What was not recorded as begun is asked of the next one again."""
        death = self._deaths.pop(0) if self._deaths else None
        was_open, ledger = self.open, Ledger()
        self._interruption = Interruption()
        if self._wanted:
            self._interruption.request()
        reply = ledger.reply = Reply(
            self.agent, self.state, ledger, self._interruption, self._clock, structured_schema=self._schema
        )
        died = await self._live(reply, ledger, death, inputs or [], answer)
        self.seen += ledger.happened
        if death is None or not died:
            assert ledger.entries[-1] == Entry(_encode(reply.state), len(ledger.happened))
            assert reply.parked is bool(reply.state.reply_context.reply_id)
            self._keep(ledger, ledger.entries[-1])
            if not reply.parked:
                self._wanted = False
            return
        survived = ledger.surviving(death)
        if survived is not None:
            self._keep(ledger, survived)
        elif not was_open:
            self.seen = []
        if self.open:
            await self._reply()
        if survived is None and (inputs is not None or self.open):
            await self._reply(inputs, answer)

    async def _live(
        self, reply: Reply, ledger: Ledger, death: Death | None, inputs: list[Msg], answer: Answer | None
    ) -> bool:
        """Whether the worker died."""
        async with aclosing(reply.events(inputs, answer)) as events:
            async for event in events:
                ledger.happened.append(event)
                if self._stop_after == len(ledger.happened):
                    self._stop_after = None
                    self._stop()
                if death is not None and death.after == len(ledger.happened):
                    return True
        return False

    def _keep(self, ledger: Ledger, entry: Entry) -> None:
        self.kept += ledger.happened[: entry.events]
        self.saved = entry.state

    def _stop(self) -> None:
        self.stops += 1
        self._wanted = True
        self._interruption.request()

    def _clock(self) -> str:
        return f"2026-01-01T00:00:00.{next(self._ticks):06d}+00:00"

    # -- what people answer

    def _answer(self, reaction: Reaction) -> Answer:
        state = self.state
        chosen = [call for place, call in enumerate(self.waiting) if reaction.mask & (1 << place % 3)]
        reply_id = "foreign" if reaction.kind == "foreign" else state.reply_context.reply_id
        if reaction.kind == "execute":
            return ev.ExternalExecutionResult(reply_id=reply_id, execution_results=_executed(chosen))
        results = [answer for place, call in enumerate(chosen) for answer in _confirmed(reaction.kind, call, place)]
        return ev.UserConfirmResult(reply_id=reply_id, confirm_results=results)


def _executed(calls: list[ToolCallBlock]) -> list[ToolResultBlock]:
    """Also for calls that nobody has handed out."""
    outputs = ["Paris", "", "far away, " * 60]
    return [
        ToolResultBlock(id=call.id, name="other", output=outputs[len(call.id + call.input) % 3], state="success")
        for call in calls
    ]


def _confirmed(kind: str, call: ToolCallBlock, place: int) -> list[ev.ConfirmResult]:
    yes = ev.ConfirmResult(confirmed=True, tool_call=call)
    no = ev.ConfirmResult(confirmed=False, tool_call=call)
    match kind:
        case "refuse":
            return [no]
        case "mixed":
            return [no if place % 2 else yes]
        case "twice":
            return [yes, no]
        case "edit":
            edited = msgspec.structs.replace(call, input=call.input.replace("}", ', "x": 1}'), state="finished")
            return [ev.ConfirmResult(confirmed=True, tool_call=edited)]
        case "rename":
            return [ev.ConfirmResult(confirmed=True, tool_call=msgspec.structs.replace(call, name="alone"))]
        case "always":
            rule = PermissionRule(tool_name=call.name, rule_content=None, behavior="allow")
            return [ev.ConfirmResult(confirmed=True, tool_call=call, rules=[rule])]
        case "misplaced":
            return [ev.ConfirmResult(confirmed=True, tool_call=msgspec.structs.replace(call, id="misplaced"))]
        case _:
            return [yes]
