"""Credentials as their providers know them: the fields, which of them are secret, and the models they unlock."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import NODEFAULT, Meta, Struct, field

from agentsvc.agent.model import ChatModelBase
from agentsvc.domain.decoding import MOST_TOLD
from agentsvc.domain.errors import Invalid, Problem
from agentsvc.domain.ids import new_id
from agentsvc.domain.models import ModelCard
from agentsvc.models.transport import Transport

Secret = Annotated[str, Meta(extra_json_schema={"format": "password", "writeOnly": True})]
"""The type of a field that goes in and never comes out."""


class ModelContext(Struct, frozen=True, kw_only=True):
    """What a model is given besides its credential and parameters."""

    transport: Transport


class NoParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of a model that takes none."""


class CredentialBase(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """A provider: subclass it with a ``tag``, which is the credential's type, and the fields it needs.

    ``title`` is what people read, ``parameters`` the struct of its models' parameters, ``cards`` the folder with a YAML
    file for each model. ``input_types`` are the media types that a model without a card is assumed to take.
    """

    title: ClassVar[str] = ""
    parameters: ClassVar[type[Struct]] = NoParameters
    cards: ClassVar[Path | None] = None
    input_types: ClassVar[tuple[str, ...]] = ("text/plain",)

    id: str = field(default_factory=new_id)
    name: str = ""

    def chat_model(self, card: ModelCard, parameters: Any, context: ModelContext) -> ChatModelBase:
        """The model of this card; ``parameters`` is an instance of ``parameters``."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, name={self.name!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("id", self.id), ("name", self.name)]


class CredentialFactory:
    """The kinds of credentials that an app knows, by their type."""

    def __init__(self, *kinds: type[CredentialBase]) -> None:
        self._kinds: dict[str, type[CredentialBase]] = {}
        for kind in kinds:
            self.register(kind)

    def register(self, kind: type[CredentialBase]) -> None:
        """Know this kind, too. Raises ``ValueError`` when its type is taken or it lacks a part."""
        tag = type_of(kind)
        if tag in self._kinds:
            raise ValueError(f"the credential type {tag} is registered already")
        if kind.chat_model is CredentialBase.chat_model or not kind.title:
            raise ValueError(f"{kind.__name__} needs a title and a chat_model method")
        self._kinds[tag] = kind

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    def kind(self, tag: str) -> type[CredentialBase] | None:
        return self._kinds.get(tag)

    def parse(self, data: dict[str, Any], at: str = "data") -> CredentialBase:
        """The credential in ``data``; ``data["type"]`` names its kind.

        Raises ``Invalid``, with a problem for each field, below the path ``at``, that repeats nothing of what was sent.
        """
        tag = data.get("type")
        kind = self._kinds.get(tag) if isinstance(tag, str) else None
        if kind is None:
            known = ", ".join(self._kinds)
            raise Invalid("The credential has no known type.", (Problem(f"{at}.type", f"expected one of {known}"),))
        try:
            return msgspec.convert(data, kind)
        except msgspec.ValidationError:  # its words may quote what was sent
            found = tuple(islice(field_problems(kind, data, at), MOST_TOLD))
            # Without any, only a rule of the kind's own is left.
            problems = found or (Problem(at, "its fields do not fit together"),)
            raise Invalid("The credential is not complete or not correct.", problems) from None

    def schemas(self) -> list[dict[str, Any]]:
        """A JSON Schema for each kind, in the order of their registration: what a form is made of."""
        return [_schema(kind) for kind in self._kinds.values()]

    def secrets(self, tag: str) -> frozenset[str]:
        """The names of the secret fields; none for an unknown type."""
        kind = self._kinds.get(tag)
        return frozenset() if kind is None else secret_fields(kind)

    def split(self, credential: CredentialBase) -> tuple[dict[str, Any], dict[str, Any]]:
        """What may be shown and what must be sealed. Both together are what ``parse`` takes."""
        fields: dict[str, Any] = msgspec.to_builtins(credential)
        names = secret_fields(type(credential))
        secret = {name: fields[name] for name in names & fields.keys() if fields[name] is not None}
        return {name: value for name, value in fields.items() if name not in names}, secret


def type_of(kind: type[CredentialBase]) -> str:
    tag = kind.__struct_config__.tag
    if not isinstance(tag, str):
        raise ValueError(f"{kind.__name__} needs a tag: the type of its credentials")
    return tag


def secret_fields(kind: type[Struct]) -> frozenset[str]:
    info = msgspec.inspect.type_info(kind)
    fields = info.fields if isinstance(info, msgspec.inspect.StructType) else ()
    return frozenset(each.encode_name for each in fields if _is_secret(each.type))


def field_problems(kind: type[Struct], data: dict[str, Any], at: str) -> Iterator[Problem]:
    """What is wrong with each field, without a word of its value."""
    fields = {each.encode_name: each for each in msgspec.structs.fields(kind)}
    for name, each in fields.items():
        if name in data:
            if wrong := _wrong(data[name], each.type):
                yield Problem(f"{at}.{name}", wrong)
        elif each.default is NODEFAULT and each.default_factory is NODEFAULT:
            yield Problem(f"{at}.{name}", "is required")
    for name in sorted(data.keys() - fields.keys() - {kind.__struct_config__.tag_field}):
        yield Problem(f"{at}.{name}", "is not a field of this")


def _wrong(value: Any, expected: Any) -> str | None:
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        # The messages of msgspec name types and limits; only those that begin so quote the value.
        words = str(error)
        return "is not one of the allowed values" if words.startswith("Invalid ") else _lowered(words)
    return None


def _lowered(words: str) -> str:
    return re.sub(r"^Expected `str` matching regex .*", "does not have the expected form", words).replace(
        "Expected", "expected", 1
    )


def _is_secret(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):
        schema: dict[str, Any] = getattr(kind, "extra_json_schema", None) or {}
        return bool(schema.get("writeOnly")) or _is_secret(kind.type)
    return isinstance(kind, msgspec.inspect.UnionType) and any(map(_is_secret, kind.types))


def _schema(kind: type[CredentialBase]) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components((kind,), ref_template="{name}")
    schema: dict[str, Any] = components.pop(reference["$ref"])
    tag = type_of(kind)
    properties = {**schema["properties"], "type": {"const": tag, "default": tag, "title": "Type", "type": "string"}}
    for name in secret_fields(kind):
        properties[name] = {**properties[name], "format": "password", "writeOnly": True}
    required = [name for name in schema["required"] if name != "type"]
    return {"title": kind.title, "type": "object", "properties": properties, "required": required}
