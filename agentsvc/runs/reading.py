"""What a session holds, read for a run. What cannot be read is left out, since a session must stay usable."""

import logging

import msgspec
from msgspec.structs import replace

from agentsvc.agent.answers import withdrawn
from agentsvc.bus.leases import Grant
from agentsvc.domain.messages import Msg, decode_message
from agentsvc.domain.runs import Input, decode_input
from agentsvc.domain.states import AgentState, ReplyContext
from agentsvc.domain.times import clock

log = logging.getLogger(__name__)

_decode_state = msgspec.json.Decoder(AgentState).decode


def input_of(raw: bytes) -> Input | None:
    """An entry of the inbox."""
    try:
        return decode_input(raw)
    except msgspec.MsgspecError:
        log.exception("unreadable entry of an inbox dropped")
        return None


def state_of(grant: Grant) -> AgentState:
    """The state as it was recorded."""
    state = AgentState(session_id=grant.session_id)
    if grant.state:
        try:
            state = _decode_state(grant.state)
        except msgspec.MsgspecError:
            log.exception("session %s: its state cannot be read and begins anew", grant.session_id)
    context = [message for raw in grant.context if (message := _message(grant, raw)) is not None]
    if not context or context[-1].id != state.reply_context.reply_id:
        state.reply_context = ReplyContext()
        state.approvals = withdrawn(state.approvals, clock(grant.ahead_s)())
    return replace(state, context=context)


def _message(grant: Grant, raw: bytes) -> Msg | None:
    try:
        return decode_message(raw)
    except msgspec.MsgspecError:
        log.exception("session %s: a message of its context cannot be read", grant.session_id)
        return None
