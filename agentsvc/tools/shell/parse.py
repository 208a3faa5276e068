"""From text to ``Script``: a script is understood only when two independent readings of it agree word for word."""

import re

from agentsvc.tools.shell import lexer, tree
from agentsvc.tools.shell.reasons import REASONS
from agentsvc.tools.shell.script import Script, SimpleCommand

MAX_LENGTH = 10_000
"""Characters; a longer command is never understood."""

MAX_COMMANDS = 50
MAX_WORDS = 1_000

# The time that a tree takes grows with the square of these.
MAX_COSTLY = 300
_COSTLY = ("|", "=(", "<<")

_CONTINUED = re.compile(r"\\\r?\n")


def parse(text: str) -> Script:
    """Never raises. What is not understood has doubts; its commands are then as many as could be found."""
    if len(text) > MAX_LENGTH:
        return Script(text=text, doubts=(REASONS["too_long"],))
    if sum(map(text.count, _COSTLY)) > MAX_COSTLY:
        return Script(text=text, doubts=(REASONS["too_complex"],))
    strict = lexer.read(text) if not unprintable(text) else None
    reading = tree.read(text)
    agreed = strict is not None and _texts(strict) == _texts(reading.commands) and _targets_agree(strict, reading)
    codes = dict.fromkeys((*_seen(text), *reading.doubts))
    if not agreed:
        codes["not_understood"] = None
    if len(codes) > 1:
        codes.pop("not_understood", None)
    if strict is not None and agreed and not codes and _is_short(strict):
        return Script(text=text, commands=strict)
    doubts = tuple(REASONS[code] for code in codes) or (REASONS["too_complex"],)
    commands = (*reading.commands, *(strict or ())) if not agreed else reading.commands
    return Script(text=text, commands=commands, redirects=reading.redirects, doubts=doubts)


def unprintable(text: str) -> bool:
    """Also for spaces that are no blanks of the shell, marks of direction, and halves of characters."""
    return not text.replace("\n", "").replace("\t", "").isprintable()


def _is_short(commands: tuple[SimpleCommand, ...]) -> bool:
    return len(commands) <= MAX_COMMANDS and sum(len(command.arguments) for command in commands) <= MAX_WORDS


def _seen(text: str) -> tuple[str, ...]:
    """Doubts that the text itself shows."""
    codes = ("unprintable",) if unprintable(text) else ()
    return (*codes, "line_continuation") if _CONTINUED.search(text) else codes


def _texts(commands: tuple[SimpleCommand, ...]) -> list[tuple[str, ...]]:
    return [command.texts for command in commands]


def _targets_agree(strict: tuple[SimpleCommand, ...], reading: tree.Reading) -> bool:
    ours = [(each.role, each.target.text) for command in strict for each in command.redirects]
    return ours == [(each.role, each.target.text) for each in reading.redirects]
