"""What one simple command does, as far as it is known: nothing but reading, nothing but editing, or anything."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from agentsvc.tools.shell import options
from agentsvc.tools.shell.options import Arguments, Unknown
from agentsvc.tools.shell.programs.edits import MOVING, TARGET_OPTIONS
from agentsvc.tools.shell.programs.spec import ANYTHING, Family, Operands, Program
from agentsvc.tools.shell.programs.table import EDITORS, READERS
from agentsvc.tools.shell.script import PathUse, Redirect, Role, SimpleCommand, Word
from agentsvc.tools.shell.vocabulary import words

NOWHERE = words("/dev/null /dev/stdout /dev/stderr")

# The shell itself makes a connection of such a redirect.
_NETWORK = re.compile(r"/dev/(?:tcp|udp)/")


class Effect(Struct, frozen=True):
    """``uses``: every path, with ``reads`` and ``edits``; with ``anything`` whatever may be one.

    ``here``: it is known only in the directory where the script starts. ``moves``: later paths may mean other files.
    """

    kind: Literal["reads", "edits", "anything"]
    uses: tuple[PathUse, ...]
    here: bool = False
    moves: bool = False


def effect_of(command: SimpleCommand) -> Effect:
    written = tuple(use for redirect in command.redirects for use in redirect_uses(redirect))
    known = _reading(command) or _editing(command)
    if known is None or any(_NETWORK.match(each.target.text) for each in command.redirects):
        return Effect("anything", (*_suspected(command), *_searched(command), *written))
    edits = known.kind == "edits" or any(use.role == "write" for use in written)
    return Effect("edits" if edits else "reads", (*known.uses, *written), known.here, known.moves)


def redirect_uses(redirect: Redirect) -> Iterator[PathUse]:
    """A redirect to a place that is only known when the script runs tells nothing."""
    target = redirect.target
    if target.text not in NOWHERE and target.exact:
        yield PathUse(target.text, redirect.role, target.pattern)


def _reading(command: SimpleCommand) -> Effect | None:
    known = READERS.get(command.program.text)
    try:
        match known:
            case Program():
                return Effect("reads", _uses(known, command.arguments))
            case Family():
                return Effect("reads", _uses(*_subcommand(known, command.arguments)), here=known.here)
            case None:
                return None
    except Unknown:
        return None


def _editing(command: SimpleCommand) -> Effect | None:
    known = EDITORS.get(command.program.text)
    if known is None:
        return None
    try:
        uses = _uses(known, command.arguments)
    except Unknown:
        return None
    return Effect("edits", uses, moves=command.program.text in MOVING)


def _subcommand(family: Family, given: Sequence[Word]) -> tuple[Program, Sequence[Word]]:
    """The longest subcommand that the words begin with, and what follows it."""
    while given and given[0].text in family.before:
        given = given[1:]
    for length in (2, 1):
        program = family.subcommands.get(" ".join(word.text for word in given[:length]))
        if program is not None and len(given) >= length:
            return program, given[length:]
    raise Unknown


def _uses(program: Program, given: Sequence[Word]) -> tuple[PathUse, ...]:
    """Raises Unknown when this is not one of the uses that are written down."""
    arguments = options.read(program, given)
    if program.required and not arguments.has(program.required):
        raise Unknown
    operands = program.operands
    paths = _paths(operands, arguments)
    role = operands.role
    if role in ("read", "visible") and arguments.has(program.deep):
        role = "tree"
        paths = paths or [Word(".")]
    return (
        *(_use(value, program.paths[name]) for name, value in arguments.options if value and name in program.paths),
        *(_operand_uses(operands, role, paths, arguments) if role is not None else ()),
    )


def _paths(operands: Operands, arguments: Arguments) -> list[Word]:
    """The operands that are paths, after all of them have been found to be of the known shape."""
    leading = 0 if arguments.has(operands.instead) else operands.leading
    named = arguments.operands
    if operands.role is None:
        _check(operands, named, operands.data, patterns=operands.data == ANYTHING)
        return []
    data, paths = named[:leading], named[leading:]
    if len(data) < leading or any(word.pattern or not re.fullmatch(operands.data, word.text) for word in data):
        raise Unknown
    _check(operands, paths, operands.shape, patterns=operands.last is None)
    return paths or ([Word(operands.default)] if operands.default else [])


def _check(operands: Operands, named: list[Word], shape: str, *, patterns: bool) -> None:
    """``patterns``: names of files may stand there, as many as there are, where their number does not matter."""
    if len(named) < operands.minimum or (operands.maximum is not None and len(named) > operands.maximum):
        raise Unknown
    if any(word.pattern for word in named) and not (patterns and operands.maximum is None):
        raise Unknown
    if not all(re.fullmatch(shape, word.text) for word in named):
        raise Unknown


def _operand_uses(operands: Operands, role: Role, paths: list[Word], arguments: Arguments) -> Iterator[PathUse]:
    into = [value for name, value in arguments.options if name in TARGET_OPTIONS and value]
    last = len(paths) - 1 if operands.last and not into else None
    for position, word in enumerate(paths):
        if word.text not in ("", "-"):
            yield _use(word, operands.last if position == last and operands.last else role)
            if operands.carried and position != last:
                yield _use(word, operands.carried)
        if operands.revisions and ":" in word.text:
            yield _use(Word(word.text.rpartition(":")[2] or ".", pattern=word.pattern), role)
    if operands.last:
        yield from _inside(into or paths[1:][-1:], paths)


def _inside(targets: list[Word], paths: list[Word]) -> Iterator[PathUse]:
    """Given a directory, a program that moves or copies writes to a name inside of it."""
    for target in targets:
        for word in paths:
            if word is not target:
                name = word.text.rstrip("/").rpartition("/")[2]
                if name in ("", ".", ".."):
                    # All that is in it goes to the target, under names that are not known.
                    raise Unknown
                yield _use(Word(f"{target.text}/{name}", home=target.home), "write")


def _suspected(command: SimpleCommand) -> Iterator[PathUse]:
    """Of a program that is not known: every word, and every part of one, that may be a path."""
    for word in command.arguments:
        candidates = [word.text] if not word.text.startswith("-") else [word.text[2:]]
        candidates += [word.text.partition("=")[2]] if "=" in word.text else []
        for text in candidates:
            if text and len(text) < 4096 and "\n" not in text:
                yield PathUse(text, "write", word.pattern)


def _searched(command: SimpleCommand) -> Iterator[PathUse]:
    """All that is below, if the program can read that: an option that is not known may be the one that says so."""
    known = READERS.get(command.name)
    if isinstance(known, Program) and (known.deep or known.operands.role == "tree"):
        yield PathUse(".", "tree")
        yield from (PathUse(use.path, "tree", use.pattern) for use in _suspected(command))


def _use(word: Word, role: Role) -> PathUse:
    """Raises Unknown where it depends on the shell whether a tilde inside of a word is expanded."""
    if word.home and not word.text.startswith("~"):
        raise Unknown
    literal = word.text.startswith("~") and not word.home
    return PathUse(f"./{word.text}" if literal else word.text, role, word.pattern)
