"""Commands inside commands: programs that start others, and interpreters that are handed text to run."""

from collections.abc import Iterator
from itertools import islice

from agentsvc.tools.shell.parse import parse
from agentsvc.tools.shell.script import Script, SimpleCommand
from agentsvc.tools.shell.vocabulary import words

MAX_DEPTH = 3
MAX_STARTED = 2_000
MAX_OPTIONS = 40

PRIVILEGED = words("sudo su doas pkexec runuser")
WRAPPERS = PRIVILEGED | words(
    "env nohup nice ionice time timeout xargs command builtin exec stdbuf setsid chroot unshare nsenter busybox toybox"
    " watch strace ltrace parallel flock chrt taskset script coproc find fd systemd-run catchsegv valgrind gdb entr"
    " caffeinate unbuffer then do else ! {"
)
_SEARCHERS = words("find fd")
_STARTING = words("-exec -execdir -ok -okdir -x -X --exec --exec-batch")
_LOOKING_UP = (("command", "-v"), ("command", "-V"))
SHELLS = words("sh bash dash zsh ksh fish ash csh tcsh eval source . trap")
INTERPRETERS = SHELLS | words(
    "python python2 python3 perl ruby node deno bun php lua tclsh osascript awk gawk mawk pwsh psql sqlite3 mysql"
    " xargs parallel"
)


def started_by(script: Script) -> tuple[SimpleCommand, ...]:
    """All commands that are, or may be, started by a script. Too many rather than too few."""
    return tuple(islice(_expand(script, 0), MAX_STARTED))


def hands_text_over(command: SimpleCommand) -> bool:
    """Whether the command, or one that it starts, is an interpreter."""
    return any(each.name in INTERPRETERS for each in (command, *_inner(command)))


def is_long_winded(command: SimpleCommand) -> bool:
    """Whether what it starts may stand behind more options than are looked at."""
    return len(command.arguments) > MAX_OPTIONS


def _expand(script: Script, depth: int) -> Iterator[SimpleCommand]:
    for command in script.commands:
        yield command
        yield from _inner(command)
        if depth < MAX_DEPTH and hands_text_over(command):
            for word in command.arguments:
                if " " in word.text or command.name in SHELLS:
                    yield from _expand(parse(word.text), depth + 1)


def _inner(command: SimpleCommand) -> Iterator[SimpleCommand]:
    """Every end of the words of a wrapper may be a command: its own options need not be known."""
    if command.name not in WRAPPERS or command.texts[:2] in _LOOKING_UP:
        return
    searching = command.name in _SEARCHERS
    for position, word in enumerate(command.arguments[:MAX_OPTIONS]):
        if not searching or command.texts[position] in _STARTING:
            yield SimpleCommand(word, command.arguments[position + 1 :])
