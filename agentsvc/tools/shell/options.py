"""Taking apart what follows a program, as its options are known. Abbreviated long options are not."""

import re
from collections.abc import Sequence

from msgspec import Struct

from agentsvc.tools.shell.programs.spec import Program
from agentsvc.tools.shell.script import Word

_NUMBER = re.compile(r"-[0-9]+")


class Unknown(Exception):
    """The arguments are not of a known form."""


class Arguments(Struct):
    """``options`` in order, with the values they take; a flag has None."""

    options: list[tuple[str, Word | None]] = []
    operands: list[Word] = []

    def has(self, names: frozenset[str]) -> bool:
        return any(name in names for name, _ in self.options)


def read(program: Program, words: Sequence[Word]) -> Arguments:
    """Raises Unknown for an option that is not listed, and for a pattern where its names could become one."""
    if program.raw:
        return Arguments(operands=list(words))
    arguments = Arguments(options=[], operands=[])
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word.text == "--" and not word.pattern:
            arguments.operands += reversed(rest)
            break
        if not word.text.startswith("-") or word.text == "-":
            arguments.operands.append(_operand(program, word))
        else:
            _option(program, word, arguments, rest)
    for name, value in arguments.options:
        _check(program, name, value)
    return arguments


def _operand(program: Program, word: Word) -> Word:
    if word.pattern and word.text[0] in "*?[" and not program.bold:
        raise Unknown
    return word


def _option(program: Program, word: Word, arguments: Arguments, rest: list[Word]) -> None:
    if word.pattern:
        raise Unknown
    name, equals, value = word.text.partition("=")
    if word.text in program.flags or (word.text in program.optional and not equals):
        arguments.options.append((word.text, None))
    elif word.text in program.values:
        arguments.options.append((word.text, _next(rest)))
    elif equals and name.startswith("--") and (name in program.values or name in program.optional):
        arguments.options.append((name, Word(value, home=word.home)))
    elif program.numbers and _NUMBER.fullmatch(word.text):
        arguments.options.append(("-#", None))
    elif program.clusters and not word.text.startswith("--"):
        _cluster(program, word, arguments, rest)
    else:
        raise Unknown


def _cluster(program: Program, word: Word, arguments: Arguments, rest: list[Word]) -> None:
    """``-abc``, of which the last may take the rest, or the next word, as its value."""
    letters = word.text[1:]
    for position, letter in enumerate(letters, 1):
        name, glued = f"-{letter}", letters[position:]
        if name in program.flags:
            arguments.options.append((name, None))
        elif name in program.values:
            value = Word(glued, home=word.home) if glued else _next(rest)
            arguments.options.append((name, value))
            return
        elif name in program.optional:
            arguments.options.append((name, None))
            return
        else:
            raise Unknown


def _next(rest: list[Word]) -> Word:
    if not rest:
        raise Unknown
    return rest.pop()


def _check(program: Program, name: str, value: Word | None) -> None:
    pattern = program.values.get(name)
    if value is not None and (value.pattern or (pattern and not re.fullmatch(pattern, value.text))):
        raise Unknown
