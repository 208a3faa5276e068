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
    nonce: str = field(default_factory=new_id)

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
