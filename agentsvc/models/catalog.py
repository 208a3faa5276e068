"""The models that can be had: cards for each kind of credential, and from a configuration the model itself."""

from typing import Any

import jsonschema_rs
import msgspec

from agentsvc.agent.model import ChatModelBase
from agentsvc.domain.errors import Invalid, NotFound, Problem
from agentsvc.domain.models import THINKING, ModelCard
from agentsvc.domain.sessions import ChatModelConfig
from agentsvc.models.cards import read_cards
from agentsvc.models.credentials import CredentialBase, CredentialFactory, ModelContext, field_problems, type_of
from agentsvc.models.demo import DEMO_CONFIG, DemoCredential
from agentsvc.models.openai import OpenAICredential

BUILTIN: tuple[type[CredentialBase], ...] = (OpenAICredential, DemoCredential)
"""The kinds of credentials that every app knows."""
_UNKNOWN_OUTPUT = 128_000
_KEPT = 1000  # configurations

_encode = msgspec.json.Encoder(order="sorted").encode


class ModelCatalog:
    """Cards are read when they are first asked for, and kept; so is what was made of a configuration."""

    def __init__(self, credentials: CredentialFactory, context: ModelContext) -> None:
        self._credentials = credentials
        self._context = context
        self._cards: dict[str, tuple[ModelCard, ...]] = {}
        self._settled: dict[tuple[str, str, bytes], tuple[ModelCard, Any]] = {}

    def cards(self, provider: str) -> tuple[ModelCard, ...]:
        """The cards of a credential type, by name. Raises ``NotFound`` for a type that nobody registered."""
        if provider not in self._cards:
            kind = self._kind(provider)
            folder = kind.cards
            self._cards[provider] = () if folder is None else read_cards(folder, kind.parameters, provider)
        return self._cards[provider]

    def card(self, provider: str, model: str) -> ModelCard:
        """The card of a model. One that has none gets what is usual: a compatible server may know any name."""
        known = next((card for card in self.cards(provider) if card.name == model), None)
        if known is not None:
            return known
        kind = self._kind(provider)
        return ModelCard(
            name=model,
            provider=provider,
            label=model,
            input_types=kind.input_types,
            output_types=("text/plain", THINKING),
            output_size=_UNKNOWN_OUTPUT,
        ).fitted(kind.parameters)

    def check(self, config: ChatModelConfig, at: str = "chat_model_config") -> None:
        """Raise ``Invalid``, with paths below ``at``, when no model can be made of this."""
        kind = self._credentials.kind(config.type)
        if kind is None:
            expected = f"expected one of {', '.join(self._credentials.types)}"
            raise Invalid("The model has no known type.", (Problem(f"{at}.type", expected),))
        self._settle(kind, config, at)

    def chat_model(
        self, credential: CredentialBase, config: ChatModelConfig, at: str = "chat_model_config"
    ) -> ChatModelBase:
        """The configured model. Raises ``Invalid``."""
        kind = type(credential)
        if config.type != type_of(kind):
            raise Invalid("The credential is of another type.", (Problem(f"{at}.type", f"expected {type_of(kind)}"),))
        card, parameters = self._settle(kind, config, at)
        return credential.chat_model(card, parameters, self._context)

    def demo(self) -> ChatModelBase:
        """The model for whoever has no credential."""
        return self.chat_model(DemoCredential(id=DEMO_CONFIG.credential_id, name="Demo"), DEMO_CONFIG)

    def _kind(self, provider: str) -> type[CredentialBase]:
        kind = self._credentials.kind(provider)
        if kind is None:
            raise NotFound(f"There is no provider {provider}.")
        return kind

    def _settle(self, kind: type[CredentialBase], config: ChatModelConfig, at: str) -> tuple[ModelCard, Any]:
        """The card and the parameters of a configuration: checked once, since every reply asks for them."""
        asked = (config.type, config.model, _encode(config.parameters))
        if asked not in self._settled:
            if len(self._settled) >= _KEPT:
                self._settled.clear()
            card = self.card(config.type, config.model)
            self._settled[asked] = card, self._parameters(kind, card, config, at)
        return self._settled[asked]

    def _parameters(self, kind: type[CredentialBase], card: ModelCard, config: ChatModelConfig, at: str) -> Any:
        """What was set, over the defaults of the card.

        Null is not set. What the card hides is left out, since a session keeps its parameters when its model changes.
        """
        at = f"{at}.parameters"
        given = {name: value for name, value in config.parameters.items() if value is not None}
        problems = list(field_problems(kind.parameters, given, at))
        forms: dict[str, Any] = card.parameter_schema["properties"]
        shown = {name: value for name, value in given.items() if name in forms}
        problems = problems or list(_limits(card, shown, at))
        if problems:
            raise Invalid("The model does not take these parameters.", tuple(problems))
        defaults = {name: form["default"] for name, form in forms.items() if form.get("default") is not None}
        try:
            return msgspec.convert(defaults | shown, kind.parameters)
        except msgspec.ValidationError as error:
            raise Invalid("The model does not take these parameters.", (Problem(at, str(error)),)) from None


def _limits(card: ModelCard, given: dict[str, Any], at: str) -> list[Problem]:
    validator = jsonschema_rs.validator_for({"properties": card.parameter_schema["properties"]})
    return [
        Problem(".".join([at, *map(str, error.instance_path)]), error.message) for error in validator.iter_errors(given)
    ]
