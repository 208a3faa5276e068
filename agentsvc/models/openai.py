"""OpenAI, and every server that speaks its chat completions: the credential, the parameters, the model."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from agentsvc.agent.model import ChatModelBase, ModelDelta, ModelRequest
from agentsvc.domain.errors import ModelError
from agentsvc.domain.models import ModelCard
from agentsvc.models.cards import card_folder
from agentsvc.models.credentials import CredentialBase, ModelContext, Secret
from agentsvc.models.openai_answers import Answer
from agentsvc.models.openai_requests import encode
from agentsvc.models.transport import Call, Transport, endpoint

_BASE_URL = "https://api.openai.com/v1"

_Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class Parameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a session may set. Null leaves it to the provider."""

    max_tokens: Annotated[
        Annotated[int, Meta(gt=0)] | None,
        Meta(title="Max Tokens", description="The most tokens of an answer, thought included."),
    ] = None
    thinking_enable: Annotated[
        bool | None, Meta(title="Thinking", description="False asks for no particular effort of thought.")
    ] = None
    reasoning_effort: Annotated[
        _Effort | None, Meta(title="Reasoning Effort", description="How much the model thinks before it answers.")
    ] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=2)] | None,
        Meta(title="Temperature", description="How varied the answers are."),
    ] = None
    top_p: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(title="Top P", description="Choose among the likeliest words that add up to this."),
    ] = None
    parallel_tool_calls: Annotated[
        bool, Meta(title="Parallel Tool Calls", description="Whether one answer may call several tools.")
    ] = True
    voice: Annotated[str | None, Meta(title="Voice", description="The voice of a model that speaks.")] = None

    def options(self) -> dict[str, Any]:
        """The fields of the request body. What is the provider's own default is not sent."""
        fields: dict[str, Any] = {
            "max_completion_tokens": self.max_tokens,
            "reasoning_effort": None if self.thinking_enable is False else self.reasoning_effort,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "parallel_tool_calls": None if self.parallel_tool_calls else False,
        }
        if self.voice is not None:
            fields |= {"modalities": ["text", "audio"], "audio": {"voice": self.voice, "format": "pcm16"}}
        return {name: value for name, value in fields.items() if value is not None}


class OpenAICredential(CredentialBase, frozen=True, kw_only=True, tag="openai_credential"):
    """``base_url`` leads to any server with this wire format; null or empty is OpenAI itself."""

    title: ClassVar[str] = "OpenAI API"
    parameters: ClassVar[type[Struct]] = Parameters
    cards = card_folder("openai")
    input_types: ClassVar[tuple[str, ...]] = ("text/plain", "image/*")

    api_key: Annotated[Secret, Meta(title="API Key", pattern=r"^\s*[!-~]+\s*$", max_length=4096)]
    organization: Annotated[str | None, Meta(title="Organization")] = None
    base_url: Annotated[
        Annotated[str, Meta(pattern=r"^\s*(https?://[^\s/?#@]+([/?][^\s#]*)?)?\s*$", max_length=2048)] | None,
        Meta(title="API Base URL", description="http:// or https://, without a user or a password."),
    ] = None

    def chat_model(self, card: ModelCard, parameters: Any, context: ModelContext) -> ChatModelBase:
        return OpenAIChatModel(self, card, parameters, context.transport)


class OpenAIChatModel(ChatModelBase):
    """A chat model behind ``{base_url}/chat/completions``."""

    def __init__(
        self, credential: OpenAICredential, card: ModelCard, parameters: Parameters, transport: Transport
    ) -> None:
        self.name = card.name
        self.context_size = card.context_size
        self.input_types = card.input_types
        self._credential = credential
        self._options = parameters.options()
        self._transport = transport

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        call = self._call(request)
        answer = Answer(call.secrets)
        async with self._transport.stream(call) as reads:
            try:
                async for events in reads:
                    for delta in answer.feed(events):
                        yield delta
                    if answer.done:
                        break
            except ModelError as error:
                if error.kind != "connection" or not answer.is_complete:
                    raise
            yield answer.finish()

    def _call(self, request: ModelRequest) -> Call:
        key = self._credential.api_key.strip()
        headers = {"authorization": f"Bearer {key}"}
        if organization := (self._credential.organization or "").strip():
            headers["openai-organization"] = organization
        return Call(
            url=endpoint((self._credential.base_url or "").strip() or _BASE_URL, "/chat/completions"),
            body=encode(request, self.name, self._options, self.input_types),
            headers=headers,
            secrets=(key,),
        )
