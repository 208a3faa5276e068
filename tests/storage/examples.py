"""Records to store."""

from typing import Any

from agentsvc.domain.agents import AgentData, AgentRecord
from agentsvc.domain.credentials import CredentialRecord
from agentsvc.domain.ids import AgentId, OwnerId, new_id
from agentsvc.domain.sessions import ChatModelConfig, SessionConfig, SessionRecord

ADA = OwnerId("ada")
BOB = OwnerId("bob")


def agent(owner: OwnerId = ADA, record_id: str | None = None, name: str = "Ada's agent") -> AgentRecord:
    record_id = record_id or new_id()
    return AgentRecord(user_id=owner, id=record_id, data=AgentData(id=record_id, name=name))


def credential(owner: OwnerId = ADA, record_id: str | None = None, sealed: str | None = None) -> CredentialRecord:
    data: dict[str, Any] = {"base_url": "https://models.example"}
    record_id = record_id or new_id()
    return CredentialRecord(
        user_id=owner, id=record_id, type="openai_credential", name="mine", data=data, sealed=sealed
    )


def session(agent_id: str, owner: OwnerId = ADA, chat: str | None = None, fallback: str | None = None) -> SessionRecord:
    config = SessionConfig(name="a talk", chat_model_config=_model(chat), fallback_chat_model_config=_model(fallback))
    return SessionRecord(user_id=owner, agent_id=AgentId(agent_id), config=config)


def _model(credential_id: str | None) -> ChatModelConfig | None:
    if credential_id is None:
        return None
    return ChatModelConfig(type="openai_credential", credential_id=credential_id, model="gpt-5")
