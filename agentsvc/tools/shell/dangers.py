"""What commands may do that cannot be undone, or that undoes the judging."""

import re
from collections.abc import Iterator, Sequence

from agentsvc.domain.permissions import Reason
from agentsvc.tools.shell.reasons import REASONS
from agentsvc.tools.shell.script import Script, SimpleCommand
from agentsvc.tools.shell.vocabulary import words
from agentsvc.tools.shell.wrappers import PRIVILEGED, SHELLS

_DESTROYERS = words(
    "mkfs fdisk sfdisk cfdisk parted wipefs shred blkdiscard mkswap shutdown reboot halt poweroff init telinit"
)
_BROAD = re.compile(r"(?:/+|~|~/+|\.|\.\.|\./+|(?:\.\./*)+|/+[^/]+/*|~/[^/]+/*|(?:.*/)?\.?\*)")
_EVERYBODY = re.compile(r"0?[0-7]?77[67]|[ugoa]{0,3}[oa][ugoa]{0,3}\+[rxst]{0,4}w[rwxst]{0,4}")
_FETCHERS = words("curl wget fetch http https aria2c nc ncat")
_DEVICE = re.compile(r"/dev/(?!null$|stdout$|stderr$|tty$|fd/)")


def dangers_of(script: Script, started: Sequence[SimpleCommand]) -> tuple[Reason, ...]:
    """Reasons of safety, each once. ``started``: all that the script may start."""
    found = [code for command in started for code in _dangers(command)]
    found += ["destructive" for redirect in script.redirects if _DEVICE.match(redirect.target.text)]
    if _fetched_text_is_run(script.commands):
        found.append("pipe_to_shell")
    return tuple(REASONS[code] for code in dict.fromkeys(found))


def _dangers(command: SimpleCommand) -> Iterator[str]:
    if command.name in PRIVILEGED:
        yield "privilege"
    if _destructive(command) or any(
        _DEVICE.match(each.target.text) for each in command.redirects if each.role == "write"
    ):
        yield "destructive"


def _destructive(command: SimpleCommand) -> bool:
    texts = [word.text for word in command.arguments]
    targets = [word for word in command.arguments if not word.text.startswith("-")]
    match command.name:
        case "rm" | "rmdir":
            return any(_BROAD.fullmatch(word.text) for word in targets) or (
                _recursive(texts) and any(not word.exact or word.pattern or word.home for word in targets)
            )
        case "chmod":
            return any(_EVERYBODY.fullmatch(text) for text in texts) or (_recursive(texts) and _broad(texts))
        case "chown" | "chgrp":
            return _recursive(texts)
        case "dd":
            return any(text.startswith("of=") for text in texts)
        case "kill" | "killall" | "pkill":
            return bool({"-9", "-KILL", "-SIGKILL", "-1", "1"} & set(texts))
        case "find":
            return "-delete" in texts and _broad(texts[:1])
        case name:
            return name in _DESTROYERS or name.startswith("mkfs.")


def _recursive(texts: Sequence[str]) -> bool:
    clusters = (text[1:] for text in texts if text.startswith("-") and not text.startswith("--"))
    return any("r" in letters.lower() and letters.isalpha() for letters in clusters) or any(
        len(text) > 3 and "--recursive".startswith(text) for text in texts
    )


def _broad(texts: Sequence[str]) -> bool:
    return any(_BROAD.fullmatch(text) for text in texts)


def _fetched_text_is_run(commands: Sequence[SimpleCommand]) -> bool:
    """Also where commands lie between: what is fetched may have been stored, or checked, before."""
    names = [command.name for command in commands]
    runs = any(name in SHELLS for name in names) or any(name.startswith("python") for name in names)
    return runs and any(name in _FETCHERS for name in names)
