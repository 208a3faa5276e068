"""Which rules to offer so that a command need not be asked about again: narrow ones, and none that would open doors."""

import re
from collections.abc import Sequence

from agentsvc.tools.shell.programs.spec import Program
from agentsvc.tools.shell.programs.table import EDITORS, READERS
from agentsvc.tools.shell.script import SimpleCommand
from agentsvc.tools.shell.vocabulary import words
from agentsvc.tools.shell.wrappers import INTERPRETERS, WRAPPERS

MAX_SUGGESTIONS = 5

_NEVER = INTERPRETERS | WRAPPERS | words("curl wget ssh scp rsync nc ncat telnet dd make docker-entrypoint")
_WITHOUT_SUBCOMMANDS = {name for name, known in READERS.items() if isinstance(known, Program)} | EDITORS.keys()
# They start any program that is named to them.
_STARTING = words("run exec x dlx eval debug run-script")
_PACKAGERS = words("npm pnpm yarn bun")
_SUBCOMMAND = re.compile(r"[a-z][a-z0-9_-]*(?::[a-z0-9_-]+)*")
_PROGRAM = re.compile(r"[A-Za-z][\w.+-]*")


def suggestions_for(commands: Sequence[SimpleCommand]) -> tuple[str, ...]:
    """A prefix a command: two words, or three for scripts of a package.

    Empty when there are too many of them, or when one cannot be offered.
    """
    found: dict[str, None] = {}
    for command in commands:
        prefix = _prefix(command)
        if prefix is None:
            return ()
        found[prefix] = None
    return tuple(found) if len(found) <= MAX_SUGGESTIONS else ()


def _prefix(command: SimpleCommand) -> str | None:
    program = command.program.text
    if program in _NEVER or program in _WITHOUT_SUBCOMMANDS or not _PROGRAM.fullmatch(program):
        return None
    length = 3 if program in _PACKAGERS and command.texts[1:2] == ("run",) else 2
    words = command.words[:length]
    if len(words) < length or not all(word.certain and _SUBCOMMAND.fullmatch(word.text) for word in words[1:]):
        return None
    return None if length == 2 and words[1].text in _STARTING else " ".join(word.text for word in words) + ":*"
