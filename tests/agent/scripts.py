"""What may happen to a session, at random: what its model says, what people answer, when workers die."""

from typing import Literal

from hypothesis import strategies as st
from msgspec import Struct

from agentsvc.agent.model import DataDelta, Finish, StopReason, TextDelta, ThinkingDelta, ToolCallDelta
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import Usage

Wish = Literal["step", "now", "discard", "expire"]
"""How a reply is to end: the three strengths of a stop, or that its time is up."""

WISHES: list[Wish] = ["now", "step", "discard", "now", "expire"]


class Stop(Struct, frozen=True):
    """Somebody interrupts at this point; the model waits then, or does not notice."""

    waits: bool
    wish: Wish


class StopAfter(Struct, frozen=True):
    """Somebody interrupts after so many events."""

    after: int
    wish: Wish


class Death(Struct, frozen=True):
    """A worker dies after so many events of its own; ``lost`` of its records that may be lost are."""

    after: int
    lost: int


ReactionKind = Literal[
    "approve",
    "refuse",
    "mixed",
    "edit",
    "rename",
    "twice",
    "foreign",
    "always",
    "execute",
    "misplaced",
    "go_on",
    "stop",
]


class Reaction(Struct, frozen=True):
    """What is done about the questions of a parked reply; ``mask`` says which of them are meant."""

    kind: ReactionKind
    mask: int


class Turn(Struct, frozen=True):
    """``arrivals`` are the numbers of events after which a message comes; ``end`` is how a reply ends that waits for
    somebody in vain.
    """

    reactions: list[Reaction]
    deaths: list[Death]
    structured: bool
    stop: StopAfter | None = None
    arrivals: list[int] = []
    end: Wish = "now"


Said = TextDelta | ThinkingDelta | DataDelta | ToolCallDelta | Finish | Stop | Exception


class Script(Struct, frozen=True):
    """``answers`` are those of the model, in order; afterwards it has no more to say than a word."""

    answers: list[list[Said]]
    summaries: list[list[Said]]
    turns: list[Turn]
    context_size: int
    result_limit: int


_WORDS = st.sampled_from(["so", " ", "", "ä😀", "word " * 60])
_TEXTS = st.builds(TextDelta, _WORDS)
_THOUGHTS = st.builds(ThinkingDelta, _WORDS, st.sampled_from([{}, {"signature": "s"}]))
_DATA = st.builds(DataDelta, st.sampled_from(["aGk=", "aA==", ""]), st.sampled_from(["image/png", "audio/wav"]))
_WISHES = st.sampled_from(WISHES)
_STOPS = st.builds(Stop, st.booleans(), _WISHES)
_NAMES = st.sampled_from(
    [
        *("touch", "touch", "touch", "risky", "risky", "locate", "locate", "forbidden", "unheard_of"),
        *("echo", "echo", "alone", "twice", "fail", "stream", "picture", "long", "note", "stopper"),
        "GenerateStructuredOutput",
    ]
)
_ARGUMENTS = st.sampled_from(
    [*['{"n": NUMBER}'] * 12, '{"n": "no"}', '{"n": NUMB', "", '{"city": "Vigo", "n": NUMBER}'],
)
_FAULTS: list[Exception] = [ModelError("connection", "cut"), ModelError("invalid_request", "no"), ValueError("a bug")]
_REASONS: list[StopReason] = ["stop", "tool_calls", "unknown", "stop", "tool_calls", "unknown", "length", "refusal"]


@st.composite
def _calls(draw: st.DrawFn, first: int) -> list[ToolCallDelta]:
    """Calls in pieces, that may be mixed."""
    pieces: list[ToolCallDelta] = []
    for index in range(first, first + draw(st.integers(1, 3))):
        arguments, name = draw(_ARGUMENTS), draw(_NAMES)
        begun, rest = ToolCallDelta(index, arguments[:4], name=name), ToolCallDelta(index, arguments[4:])
        pieces = [*pieces, begun, rest] if draw(st.booleans()) else [begun, *pieces, rest]
    return pieces


@st.composite
def _answers(draw: st.DrawFn) -> list[Said]:
    steps: list[Said] = []
    for number in range(draw(st.integers(1, 3))):
        match draw(st.sampled_from([*["calls"] * 8, *["text"] * 3, "thinking", "thinking", "data", "stop", "fault"])):
            case "text":
                steps += draw(st.lists(_TEXTS, min_size=1, max_size=2))
            case "thinking":
                steps += draw(st.lists(_THOUGHTS, min_size=1, max_size=2))
            case "data":
                steps += draw(st.lists(_DATA, min_size=1, max_size=2))
            case "calls":
                steps += draw(_calls(10 * number))
            case "stop":
                steps += draw(st.lists(_STOPS, max_size=1))
            case _:
                steps += draw(st.lists(st.sampled_from(_FAULTS), max_size=1))
    reason = draw(st.sampled_from(_REASONS))
    usage = draw(st.sampled_from([Usage(), Usage(input_tokens=100, output_tokens=7, cache_input_tokens=3)]))
    return [*steps, Finish(reason, usage)] if draw(st.integers(0, 39)) else steps


SUMMARY: list[Said] = [ToolCallDelta(0, "SUMMARY", name="write_summary"), Finish("tool_calls")]

_ATTEMPTS: list[list[Said]] = [
    SUMMARY,
    [TextDelta("What was said."), Finish("stop")],
    [Finish("stop")],
    [ModelError("connection", "cut")],
    [Stop(waits=True, wish="now"), TextDelta("late")],
    [Stop(waits=True, wish="step"), *SUMMARY],
    [Stop(waits=True, wish="discard"), TextDelta("late")],
]
_REACTIONS = st.builds(
    Reaction,
    st.sampled_from(
        [
            *("approve", "approve", "refuse", "mixed", "edit", "rename", "twice", "foreign", "always"),
            *("execute", "execute", "misplaced", "go_on", "stop"),
        ]
    ),
    st.integers(1, 7),
)
_TURNS = st.builds(
    Turn,
    reactions=st.lists(_REACTIONS, min_size=1, max_size=6),
    deaths=st.lists(st.builds(Death, st.sampled_from([3, 5, 8, 12, 20, 1, 2, 4]), st.integers(0, 3)), max_size=5),
    structured=st.sampled_from([False, False, False, True]),
    stop=st.one_of(st.none(), st.none(), st.builds(StopAfter, st.integers(1, 30), _WISHES)),
    arrivals=st.lists(st.integers(1, 40), max_size=4),
    end=_WISHES,
)
SCRIPTS = st.builds(
    Script,
    answers=st.lists(_answers(), min_size=2, max_size=10),
    summaries=st.lists(st.sampled_from(_ATTEMPTS), max_size=4),
    turns=st.lists(_TURNS, min_size=1, max_size=3),
    context_size=st.sampled_from([128_000, 1_500, 700]),
    result_limit=st.sampled_from([20, 50_000]),
)
