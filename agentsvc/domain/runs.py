"""Runs: what asks for one, and what waits for it."""

from typing import Literal

import msgspec
from msgspec import Struct, field

from agentsvc.domain.events import ExternalExecutionResult, UserConfirmResult
from agentsvc.domain.ids import AgentId, OwnerId, RunId, SessionId, new_id
from agentsvc.domain.messages import ErrorInfo, Msg

Cause = Literal["chat", "confirm", "interrupt", "schedule", "team", "background"]
RunStatus = Literal["queued", "running", "parked", "completed", "interrupted", "exceeded", "error"]
BusyPolicy = Literal["queue", "reject", "interrupt"]

Stop = Literal["step", "now", "discard"]
"""How a reply is stopped: after the step in progress, at once, or at once and as if it had never been."""


def run_id_of(session_id: SessionId, name: str) -> RunId:
    """The id of a run, which says of which session it is; ``name`` is unique there."""
    return RunId(f"{session_id}.{name}")


def name_of(run_id: RunId) -> str:
    """What names the run in its session."""
    return run_id.rpartition(".")[2]


def session_of(run_id: RunId) -> SessionId:
    """The session of a run; none that exists for what is no id of a run."""
    return SessionId(run_id.rpartition(".")[0])


class RunView(Struct, frozen=True, kw_only=True):
    """One run as it stands. Times are those of Redis; tokens are what the run has used so far.

    ``attempts`` counts the workers that took it, ``worker`` is the last of them. ``reply_id`` is the message that it
    wrote last. A ``parked`` run has ended: its reply waits for somebody, and goes on in the run of the answer.
    """

    id: RunId
    session_id: SessionId
    agent_id: AgentId
    cause: Cause
    status: RunStatus
    attempts: int
    worker: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    input_tokens: int
    output_tokens: int
    reply_id: str | None
    error: ErrorInfo | None


class Messages(Struct, frozen=True, tag="messages"):
    """Messages that were accepted together and are answered by one reply; none at all asks for a turn without input.

    Those that ``interrupt`` are not for the reply in flight, which was told to stop for them.
    """

    messages: list[Msg]
    interrupt: bool = False


class Closing(Struct, frozen=True, tag="closing"):
    """A parked reply is to end, with this strength."""

    stop: Stop = "now"


Input = Messages | UserConfirmResult | ExternalExecutionResult | Closing


class RunRequest(Struct, frozen=True, kw_only=True):
    """A ticket in the run queue: some worker shall look at the inbox of this session."""

    owner: OwnerId
    session_id: SessionId
    agent_id: AgentId
    cause: Cause = "chat"
    run_id: RunId = RunId("")
    nonce: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        if not self.run_id:
            msgspec.structs.force_setattr(self, "run_id", run_id_of(self.session_id, self.nonce))

    @property
    def note(self) -> bytes:
        """What finds the session again. Each request has a note of its own, also when the run it asks for changes."""
        return _encode([self.owner, self.session_id, self.agent_id, self.nonce])


_encode = msgspec.json.Encoder().encode
_decode_note = msgspec.json.Decoder(tuple[OwnerId, SessionId, AgentId, str]).decode


def decode_note(note: bytes) -> RunRequest:
    """A new request for the session that was noted."""
    owner, session_id, agent_id, nonce = _decode_note(note)
    return RunRequest(owner=owner, session_id=session_id, agent_id=agent_id, nonce=nonce)


encode_input = msgspec.json.Encoder().encode
_input_decoder: msgspec.json.Decoder[Input] = msgspec.json.Decoder(Input)
decode_input = _input_decoder.decode
encode_request = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(RunRequest).decode


class _Owned(Struct):
    owner: OwnerId = OwnerId("")


_decode_owned = msgspec.json.Decoder(_Owned).decode


def owner_of(raw: bytes) -> OwnerId:
    """The owner of a run request of which nothing else may be readable; empty when not even that is."""
    try:
        return _decode_owned(raw).owner
    except msgspec.MsgspecError:
        return OwnerId("")
