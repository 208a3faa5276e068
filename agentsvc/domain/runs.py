"""Runs: what asks for one, and what waits for it."""

from typing import Literal

import msgspec
from msgspec import Struct, field

from agentsvc.domain.events import ExternalExecutionResult, UserConfirmResult, UserInterrupt
from agentsvc.domain.ids import AgentId, OwnerId, RunId, SessionId, new_id
from agentsvc.domain.messages import Msg

Cause = Literal["chat", "confirm", "interrupt", "schedule", "team", "background"]


class Messages(Struct, frozen=True, tag="messages"):
    """Messages that were accepted together and are answered by one reply; none at all asks for a turn without input."""

    messages: list[Msg]


Input = Messages | UserConfirmResult | ExternalExecutionResult | UserInterrupt


class RunRequest(Struct, frozen=True, kw_only=True):
    """A ticket in the run queue: some worker shall look at the inbox of this session."""

    owner: OwnerId
    session_id: SessionId
    agent_id: AgentId
    cause: Cause = "chat"
    run_id: RunId = field(default_factory=lambda: RunId(new_id()))

    @property
    def note(self) -> bytes:
        """What finds the session again: the request without what differs from one request to the next."""
        return _encode([self.owner, self.session_id, self.agent_id])


_encode = msgspec.json.Encoder().encode
_decode_note = msgspec.json.Decoder(tuple[OwnerId, SessionId, AgentId]).decode


def decode_note(note: bytes) -> RunRequest:
    """A new request for the session that was noted."""
    owner, session_id, agent_id = _decode_note(note)
    return RunRequest(owner=owner, session_id=session_id, agent_id=agent_id)


encode_input = msgspec.json.Encoder().encode
decode_input = msgspec.json.Decoder(Input).decode
encode_request = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(RunRequest).decode
