"""The arguments of a tool call: from what the model wrote to what the tool is given."""

from itertools import islice
from typing import Any, cast

import jsonschema_rs
import msgspec

from agentsvc.agent.limits import MAX_DEPTH, measure, weigh
from agentsvc.agent.repair import repair

MAX_CHARS = 1_048_576

_MAX_WEIGHT = 50_000
_MAX_EXPLANATION = 100_000  # about a second's worth of errors in the worst case
_MAX_PROBLEMS = 5
_MAX_PROBLEM_CHARS = 300
_SHOWN_CHARS = 400

# The default lets one string cost 14 ms.
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000)


class BadArguments(Exception):
    """A call that cannot be carried out as it was written. The text says why and where, for the model."""


class BadSchema(Exception):
    """The schema of a tool cannot be used, so its arguments cannot be checked."""


def parse(text: str) -> dict[str, Any]:
    """The arguments that a model wrote: a JSON object, repaired if need be. No text is no arguments.

    What comes back is plain JSON: at most ``MAX_DEPTH`` levels, no NaN, no lone surrogates. Raises BadArguments.
    """
    if len(text) > MAX_CHARS:
        raise BadArguments(f"They have {len(text)} characters; {MAX_CHARS} are allowed.")
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        value = _repaired(text, error)
    if not isinstance(value, dict):
        raise BadArguments("They must be a JSON object.")
    arguments = cast("dict[str, Any]", value)
    # Counting brackets is an upper bound that costs nothing.
    if text.count("{") + text.count("[") > MAX_DEPTH and measure(arguments).depth > MAX_DEPTH:
        raise BadArguments(f"They are nested more than {MAX_DEPTH} levels deep.")
    return arguments


def shorten(text: str, limit: int = _SHOWN_CHARS) -> str:
    """The text, or its beginning and end with a word on what is left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} … ({len(text) - 2 * half} characters left out) … {text[-half:]}"


class ArgumentSchema:
    """The input schema of one tool, compiled. References are followed only inside the schema, nothing is fetched.

    Schemas come from outside too (MCP servers): one that could keep the validator busy for long is refused. Raises
    BadSchema.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        if measure(schema).depth > MAX_DEPTH:
            raise BadSchema(f"it is nested more than {MAX_DEPTH} levels deep")
        try:
            self._weight = weigh(schema)
            self._validator = jsonschema_rs.validator_for(schema, offline=True, pattern_options=_PATTERNS)
        except (ValueError, TypeError, RecursionError, jsonschema_rs.ReferencingError) as error:
            raise BadSchema(shorten(_first_line(error))) from error
        if self._weight.nodes > _MAX_WEIGHT:
            raise BadSchema("it is too large when its references are written out")

    def check(self, arguments: dict[str, Any]) -> None:
        """Raises BadArguments with the first few problems and their paths."""
        if not self._validator.is_valid(arguments):
            raise BadArguments("\n".join(self._problems(arguments)))

    def _problems(self, arguments: dict[str, Any]) -> list[str]:
        # The validator remembers what it has seen only while it answers yes or no: naming the errors goes every way.
        extent = measure(arguments)
        work = extent.values * self._weight.nodes ** (extent.depth if self._weight.recursive else 1)
        if work > _MAX_EXPLANATION:
            return ["They do not match the schema of the tool."]
        errors = self._validator.iter_errors(arguments)
        return [_problem(error.instance_path, error.message) for error in islice(errors, _MAX_PROBLEMS)]


def _repaired(text: str, reason: Exception) -> Any:
    try:
        value = repair(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadArguments(f"They cannot be read: {_first_line(reason)}.")
    return cast("dict[str, Any]", value)


def _problem(path: list[str | int], message: str) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    said = shorten(message, _MAX_PROBLEM_CHARS)
    return f"{shorten(where, _MAX_PROBLEM_CHARS)}: {said}" if where else said


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
