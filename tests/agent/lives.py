"""A session that lives through a script: each worker has only what the one before it has left in writing."""

import asyncio
from contextlib import aclosing
from itertools import count, cycle
from typing import Any

from agentsvc.agent.agent import Agent
from agentsvc.agent.answers import Answer
from agentsvc.agent.interruption import Interruption
from agentsvc.agent.loop import Reply
from agentsvc.agent.standing import open_calls
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig, InjectionConfig, ReActConfig
from agentsvc.domain.messages import Base64Source, DataBlock, Msg, TextBlock, ToolCallBlock
from agentsvc.domain.permissions import PermissionContext, PermissionRule
from agentsvc.domain.states import AgentState
from tests.agent.improviser import Improviser
from tests.agent.ledger import ARRIVED, Entry, Ledger, decode, encode
from tests.agent.people import answered
from tests.agent.scripts import WISHES, Death, Reaction, Script, Turn, Wish
from tests.agent.toolbox import toolbox

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

_FORBIDDEN = PermissionRule(tool_name="forbidden", rule_content=None, behavior="deny")


class Life:
    """``kept`` are the events of the reply that count, ``seen`` those that a client was shown, also in vain; ``taken``
    are the ids of the messages that the reply has taken in, ``inbox`` those that wait for the next one.
    """

    def __init__(self, script: Script) -> None:
        wishes = cycle(WISHES)
        self.box = toolbox(lambda: self._stop(next(wishes)))
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
        self.saved = encode(AgentState(session_id="s1", permission_context=rules))
        self.kept: list[ev.Event] = []
        self.seen: list[ev.Event] = []
        self.stops = 0
        self.inbox: list[Msg] = []
        self.taken: list[str] = []
        self._wishes: list[Wish] = []
        self._interruption = Interruption()
        self._turn = script.turns[0]
        self._deaths: list[Death] = []
        self._happened = 0
        self._schema: dict[str, Any] | None = None
        self._ticks = count()
        self._names = count()

    @property
    def state(self) -> AgentState:
        return decode(self.saved)

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
        self._wishes.clear()

    async def begin(self, turn: Turn) -> None:
        """A new reply, to its end or to where it is parked."""
        self.kept, self.seen, self.taken = [], [], []
        self._turn, self._happened = turn, 0
        self._deaths = list(turn.deaths)
        self._schema = PLACE if turn.structured else None
        waiting, self.inbox = self.inbox, []
        await self._reply([Msg.user("go"), *waiting])

    async def react(self, reaction: Reaction) -> None:
        """Somebody does something about the questions."""
        match reaction.kind:
            case "go_on":
                await self._reply()
            case "stop":
                await self.stop()
            case _:
                reply_id = self.state.reply_context.reply_id
                await self._reply(answer=answered(reaction, reply_id, self.waiting))

    async def stop(self) -> None:
        """Somebody ends a parked reply."""
        self._wishes.append(self._turn.end)
        await self._reply()

    async def _reply(self, inputs: list[Msg] | None = None, answer: Answer | None = None) -> None:
        """One worker and, when it dies, the next. What was not recorded as begun is asked of the next one again."""
        death = self._deaths.pop(0) if self._deaths else None
        was_open, ledger = self.open, Ledger(self.inbox, self.taken)
        self._interruption = Interruption()
        for wish in self._wishes:
            express(wish, self._interruption)
        reply = ledger.reply = Reply(
            self.agent,
            self.state,
            ledger,
            self._interruption,
            self._clock,
            structured_schema=self._schema,
            arrivals=ledger.arrivals,
        )
        died = await self._live(reply, ledger, death, inputs or [], answer)
        self.seen += ledger.happened
        if death is None or not died:
            assert (ledger.entries[-1].state, ledger.entries[-1].events) == (encode(reply.state), len(ledger.happened))
            assert reply.parked is bool(reply.state.reply_context.reply_id)
            self._keep(ledger, ledger.entries[-1])
            if not reply.parked:
                self._wishes.clear()
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
                self._pass()
                if death is not None and death.after == len(ledger.happened):
                    return True
        return False

    def _pass(self) -> None:
        """What others do after each event."""
        self._happened += 1
        if self._happened in self._turn.arrivals:
            self.inbox.append(_message(f"{ARRIVED}-{next(self._names)}", self._happened))
        if self._turn.stop is not None and self._turn.stop.after == self._happened:
            self._stop(self._turn.stop.wish)

    def _keep(self, ledger: Ledger, entry: Entry) -> None:
        self.kept += ledger.happened[: entry.events]
        self.saved = entry.state
        self.taken += entry.taken

    def _stop(self, wish: Wish) -> None:
        self.stops += 1
        self._wishes.append(wish)
        express(wish, self._interruption)

    def _clock(self) -> str:
        return f"2026-01-01T00:00:00.{next(self._ticks):06d}+00:00"


def express(wish: Wish, interruption: Interruption) -> None:
    if wish == "expire":
        interruption.expire()
    else:
        interruption.request(wish)


def _message(message_id: str, number: int) -> Msg:
    """Words, nothing, a picture, more than can be shown."""
    image = DataBlock(source=Base64Source(data="cGl4", media_type="image/png"))
    contents: list[list[TextBlock | DataBlock]] = [
        [TextBlock(text="and then?")],
        [],
        [TextBlock(text="see"), image],
        [TextBlock(text="much more " * 90)],
    ]
    return Msg(id=message_id, name="ada", role="user", content=[*contents[number % len(contents)]])
