"""Bodies to try the service with, as the OpenAPI document shows them."""

from typing import Any

from agentsvc.domain.agents import CreateAgent, UpdateAgent
from agentsvc.domain.approvals import AnswerApproval
from agentsvc.domain.chat import ChatIn
from agentsvc.domain.credentials import CredentialIn
from agentsvc.domain.sessions import CreateSession, UpdateSession

_ID = "01a20f568144781b930340da79a8fcc8"
_TEXT = {"type": "text", "text": "What is the square root of 2?"}

EXAMPLES: dict[type, list[Any]] = {
    AnswerApproval: [{"confirmed": True}, {"output": "42", "state": "success"}],
    CredentialIn: [{"data": {"type": "openai_credential", "name": "OpenAI", "api_key": "sk-..."}}],
    CreateAgent: [{"name": "Ada", "system_prompt": "You answer in one sentence."}],
    UpdateAgent: [{"system_prompt": "You answer in two sentences."}],
    CreateSession: [
        {
            "agent_id": _ID,
            "chat_model_config": {"type": "openai_credential", "credential_id": _ID, "model": "gpt-4.1-mini"},
        }
    ],
    UpdateSession: [{"name": "Roots", "permission_mode": "explore"}],
    ChatIn: [{"agent_id": _ID, "session_id": _ID, "input": {"name": "user", "role": "user", "content": [_TEXT]}}],
}
