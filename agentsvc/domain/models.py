"""Model cards: what is known of a model before it is called, and the form of its parameters."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta, Struct

THINKING = "application/x-thinking"

_Status = Literal["active", "deprecated", "sunset"]
_Tokens = Annotated[int, Meta(gt=0)]
_Override = dict[str, Any] | None


class ModelCard(Struct, frozen=True, kw_only=True, tag_field="type", tag="chat_model"):
    """``context_size`` and ``output_size`` are tokens; ``input_types`` and ``output_types`` are media types.

    ``provider`` is the type of the credential that reaches the model. ``parameter_schema`` is the JSON Schema of the
    parameters that this model takes; the defaults in it are the ones that are sent.
    """

    name: str
    provider: str = ""
    label: str = ""
    status: _Status = "active"
    deprecated_at: str | None = None
    input_types: tuple[str, ...] = ("text/plain",)
    output_types: tuple[str, ...] = ("text/plain",)
    context_size: _Tokens = 128_000
    output_size: _Tokens = 8_192
    parameter_schema: dict[str, Any] = {}
    parameters_overrides: dict[str, _Override] = {}

    @classmethod
    def from_yaml(cls, path: Path, parameters: type[Struct], provider: str = "") -> Self:
        """The card in a file, with the form of ``parameters`` fitted to it.

        A file holds the fields of a card, but ``parameter_overrides: {name: null | {…}}`` instead of the form: null
        or ``hidden: true`` takes the parameter away, anything else is laid over its schema. Raises ``ValueError``,
        which names the file.
        """
        try:
            file = msgspec.yaml.decode(path.read_bytes(), type=_CardFile)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: {error}") from error
        known = {name: getattr(file, name) for name in _CardFile.__struct_fields__ if name != "parameter_overrides"}
        known["label"] = file.label or file.name
        return cls(**known, provider=provider, parameters_overrides=file.parameter_overrides).fitted(parameters)

    def fitted(self, parameters: type[Struct]) -> Self:
        """The card with the form of these parameters: without those that it cannot have, within its limits."""
        schema = _schema(parameters)
        properties = {name: form for name, form in schema["properties"].items() if self._has(name)}
        if "max_tokens" in properties:
            properties["max_tokens"] = {**properties["max_tokens"], "maximum": self.output_size}
        for name in properties.keys() & self.parameters_overrides.keys():
            properties[name] = {**properties[name], **(self.parameters_overrides[name] or {})}
        required = [name for name in schema.get("required", []) if name in properties]
        form = {"type": "object", "properties": properties, "required": required}
        return msgspec.structs.replace(self, parameter_schema=form)

    def _has(self, parameter: str) -> bool:
        if parameter.startswith("thinking_") and THINKING not in self.output_types:
            return False
        if parameter == "voice" and not any(kind.startswith("audio/") for kind in self.output_types):
            return False
        override = self.parameters_overrides.get(parameter, {})
        return override is not None and not override.get("hidden")


class _CardFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    label: str = ""
    status: _Status = "active"
    deprecated_at: str | None = None
    input_types: tuple[str, ...] = ("text/plain",)
    output_types: tuple[str, ...] = ("text/plain",)
    context_size: _Tokens
    output_size: _Tokens
    parameter_overrides: dict[str, _Override] = {}


def _schema(parameters: type[Struct]) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components((parameters,), ref_template="{name}")
    schema: dict[str, Any] = components[reference["$ref"]]
    return schema
