"""The signature of a function as a JSON Schema, and the way from JSON to the arguments it takes."""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta

from agentsvc.agent import docstrings
from agentsvc.agent.arguments import BadArguments

_REFERENCES = "#/$defs/"
_UNNAMED = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class Signature:
    """What a function is called and what it takes. ``awaits`` says that it is a coroutine function or async generator.

    ``schema`` is of type object and closed. Types are those that msgspec knows (structs, dataclasses, TypedDicts,
    enums, literals, dates, collections of them), constrained by ``Annotated[..., msgspec.Meta(...)]``. Descriptions
    come from the annotation or else the docstring. Left out are ``self``, ``cls``, ``*args``, ``**kwargs``, what a
    ``partial`` has already given, and ``hidden``. Raises TypeError for a function that cannot be described so.
    """

    name: str
    description: str
    schema: dict[str, Any]
    awaits: bool

    def __init__(self, function: Callable[..., Any], hidden: Collection[str] = ()) -> None:
        plain = _plain(function)
        self.name = plain.__self__.__class__.__name__ if plain.__name__ == "__call__" else plain.__name__
        self.awaits = inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain)
        self.description, texts = docstrings.read(inspect.getdoc(plain))
        parameters = _parameters(function, hidden)
        defaults = {each.name: each.default for each in parameters}
        try:
            hints = get_type_hints(plain, include_extras=True)
            fields = {name: _described(hints.get(name, Any), texts.get(name)) for name in defaults}
            self._arguments = _struct(fields, defaults)
            self.schema = _schema(self._arguments, defaults)
        except (TypeError, NameError, RuntimeError) as error:
            reason = str(error).splitlines()[-1]
            raise TypeError(f"the parameters of {function!r} cannot be described: {reason}") from error
        self._names = {field.encode_name: field.name for field in msgspec.structs.fields(self._arguments)}

    def convert(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of the annotated types, from JSON. What was not sent is left to the function's own defaults.

        Raises BadArguments.
        """
        try:
            # Not strict: JSON Schema, and some models, take 1.0 for an integer.
            values = msgspec.convert(arguments, self._arguments, strict=False, str_keys=True)
        except msgspec.ValidationError as error:
            raise BadArguments(f"{error}.") from error
        given = {name: getattr(values, field) for name, field in self._names.items()}
        return {name: value for name, value in given.items() if value is not UNSET}


def _plain(function: Any) -> Any:
    """Where name, annotations and docstring are: the function in a ``partial``, the ``__call__`` of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) or inspect.isclass(function) else function.__call__


def _parameters(function: Callable[..., Any], hidden: Collection[str]) -> list[Parameter]:
    already: Mapping[str, object] = getattr(function, "keywords", {})
    left_out = {"self", "cls", *hidden, *already}
    every = inspect.signature(function).parameters.values()
    parameters = [each for each in every if each.kind not in _UNNAMED and each.name not in left_out]
    for each in parameters:
        if each.kind is Parameter.POSITIONAL_ONLY:
            raise TypeError(f"{function!r} takes {each.name} only by position; a model gives arguments by name")
    return parameters


def _described(hint: Any, text: str | None) -> Any:
    """The type with its description: a string or some object's ``description`` in ``Annotated``, else ``text``."""
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    own = (each if isinstance(each, str) else getattr(each, "description", None) for each in extras)
    description = next((each for each in own if isinstance(each, str)), text)
    return Annotated[hint, Meta(description=description)] if description else hint


def _struct(types: Mapping[str, Any], defaults: Mapping[str, object]) -> type[msgspec.Struct]:
    """One field a parameter, under names of its own: a parameter may be called what a field may not."""
    names = {f"p{position}": name for position, name in enumerate(types)}
    fields = [
        (field, types[name]) if defaults[name] is Parameter.empty else (field, types[name], UNSET)
        for field, name in names.items()
    ]
    return msgspec.defstruct("(arguments)", fields, rename=names, kw_only=True, forbid_unknown_fields=True)


def _schema(arguments: type[msgspec.Struct], defaults: Mapping[str, object]) -> dict[str, Any]:
    schema: dict[str, Any]
    (reference,), components = msgspec.json.schema_components([arguments], ref_template=_REFERENCES + "{name}")
    schema = components.pop(reference["$ref"].removeprefix(_REFERENCES))
    for each in (schema, *components.values()):
        each.pop("title", None)
    for name, default in defaults.items():
        if default is not Parameter.empty:
            schema["properties"][name] |= _default(default)
    return schema | {"$defs": components} if components else schema


def _default(value: object) -> dict[str, Any]:
    """The keyword, unless the value is not JSON: then the function alone knows its default."""
    try:
        return {"default": msgspec.to_builtins(value, str_keys=True)}
    except (TypeError, ValueError, RecursionError):
        return {}
