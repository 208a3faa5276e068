"""JSON from outside: decoded, or refused with a word on everything that is wrong with it."""

import re
from collections.abc import Iterator
from itertools import islice
from types import UnionType
from typing import Annotated, Any, TypeGuard, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from agentsvc.domain.errors import BadRequest, Invalid, Problem

T = TypeVar("T")

MOST_TOLD = 100  # problems of one request
_AT = re.compile(r" - at `\$\.?(.*)`$", re.DOTALL)
_OWN = re.compile(r"^([\w.\[\]]+): ")


def decode(raw: bytes, kind: type[T]) -> T:
    """Raises ``BadRequest`` when it is no JSON, ``Invalid`` with the path of each field that is wrong."""
    return convert(parse(raw), kind)


def parse(raw: bytes) -> Any:
    """What the JSON says, as dicts, lists and plain values. Raises ``BadRequest``."""
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


def convert(value: Any, kind: type[T]) -> T:
    """Raises ``Invalid`` as ``decode`` does."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise refusal(list(problems(value, kind))) from None


def refusal(found: list[Problem]) -> Invalid:
    """The error that says all of it."""
    return Invalid("; ".join(f"{problem.path}: {problem.message}" for problem in found[:3]), tuple(found[:MOST_TOLD]))


def problems(value: Any, kind: Any, path: str = "") -> Iterator[Problem]:
    """What keeps ``value`` from being of this kind, field by field, as deep as it is made of structs and lists."""
    return islice(_problems(value, kind, path), MOST_TOLD)


def _problems(value: Any, kind: Any, path: str) -> Iterator[Problem]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        deeper = False
        for problem in _inside(value, _choice(value, kind), path):
            deeper = True
            yield problem
        if not deeper:
            yield _problem(str(error), path)


def _choice(value: Any, kind: Any) -> Any:
    """Of a union, the struct that the value's tag names, or the only kind that a value of this form can be."""
    if get_origin(kind) is Annotated:
        return _choice(value, get_args(kind)[0])
    if get_origin(kind) not in (Union, UnionType):
        return kind
    choices = [_choice(value, choice) for choice in get_args(kind)]
    if isinstance(value, list):
        return next((choice for choice in choices if get_origin(choice) is list), kind)
    structs = [choice for choice in choices if _is_struct(choice)]
    return structs[0] if len(structs) == 1 else next((one for one in structs if _tagged(value, one)), kind)


def _tagged(value: Any, kind: type[Struct]) -> bool:
    config = kind.__struct_config__
    return is_object(value) and bool(value.get(str(config.tag_field)) == config.tag)


def _inside(value: Any, kind: Any, path: str) -> Iterator[Problem]:
    if is_object(value) and _is_struct(kind):
        yield from _fields(value, kind, path)
    elif is_array(value) and get_origin(kind) is list:
        (item,) = get_args(kind)
        for position, each in enumerate(value):
            yield from _problems(each, item, f"{path}[{position}]")


def _fields(value: dict[str, Any], kind: type[Struct], path: str) -> Iterator[Problem]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    config = kind.__struct_config__
    if config.forbid_unknown_fields:
        for name in value.keys() - fields.keys() - {config.tag_field}:
            yield Problem(_join(path, name), "unknown field")
    for name, field in fields.items():
        if name in value:
            yield from _problems(value[name], field.type, _join(path, name))
        elif field.required:
            yield Problem(_join(path, name), "required")


def _problem(text: str, path: str) -> Problem:
    """A message such as ``Expected `str`, got `int` - at `$.name```; what a struct says may begin with a path."""
    if at := _AT.search(text):
        text, path = text[: at.start()], _join(path, at[1])
    if own := _OWN.match(text):
        text, path = text[own.end() :], _join(path, own[1])
    return Problem(path or "body", text)


def _join(path: str, name: str) -> str:
    return path + name if name.startswith("[") or not path else f"{path}.{name}"


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Of what JSON holds."""
    return isinstance(value, dict)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Of what JSON holds."""
    return isinstance(value, list)


def _is_struct(kind: Any) -> TypeGuard[type[Struct]]:
    return isinstance(kind, type) and issubclass(kind, Struct)
