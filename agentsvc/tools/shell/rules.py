"""Rules about commands: exact, ``prefix:*``, or with ``*`` for any text. They are held against words, not raw text."""

import re
import shlex
from collections.abc import Sequence

from msgspec import Struct

from agentsvc.tools.shell import lexer
from agentsvc.tools.shell.script import SimpleCommand, Word
from agentsvc.tools.shell.wrappers import MAX_OPTIONS

_ESCAPED = re.compile(r"\\([*\\])")
_PLAIN = re.compile(r"[\w@%+=:,./~^{}*?\[\]!#-]+")


class CommandRule(Struct, frozen=True):
    """``words`` of an exact rule or a prefix; ``pieces`` of a wildcard rule, the text between its stars."""

    words: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()
    prefix: bool = False

    @property
    def name(self) -> str:
        """The program that is meant; empty when it may be several."""
        if self.words:
            return self.words[0].rpartition("/")[2]
        return self.pieces[0].partition(" ")[0].rpartition("/")[2] if " " in self.pieces[0] else ""

    def covers(self, command: SimpleCommand) -> bool:
        """Whether the rule means this very command: nothing of it is left to be found out when it runs."""
        if not (self.words or self.pieces) or not command.program.certain:
            return False
        if not all(word.exact for word in command.words):
            return False
        if self.pieces:
            return _matches(self.pieces, canonical(command.texts))
        texts = command.texts
        if not self.prefix:
            return texts == self.words
        return texts[: len(self.words)] == self.words and all(word.certain for word in command.words[: len(self.words)])

    def touches(self, command: SimpleCommand) -> bool:
        """Whether the rule may mean this command, its program being named with or without a directory."""
        if not command.program.certain:
            return True
        return any(self._touches(words) for words in _forms(command))

    def _touches(self, words: tuple[Word, ...]) -> bool:
        if self.pieces:
            texts = tuple(word.text for word in words)
            unsure = not all(word.certain for word in words) and self.name in ("", words[0].text)
            return unsure or _matches(self.pieces, canonical(texts)) or _matches(self.pieces, " ".join(texts))
        wanted = self.words
        if len(words) < len(wanted):
            return any(not word.certain for word in words) and _agree(words, wanted)
        if not _agree(words[: len(wanted)], wanted):
            return False
        return self.prefix or len(words) == len(wanted) or any(not word.certain for word in words)


def read(content: str) -> CommandRule:
    if content.endswith(":*") and content != ":*":
        return CommandRule(words=_words(content[:-2]), prefix=True)
    pieces = _pieces(content)
    return CommandRule(pieces=pieces) if len(pieces) > 1 else CommandRule(words=_words(content))


def canonical(texts: Sequence[str]) -> str:
    """Words joined by one blank, in single quotes where they hold more than a word does."""
    return " ".join(text if _PLAIN.fullmatch(text) else shlex.quote(text) for text in texts)


def _words(content: str) -> tuple[str, ...]:
    commands = lexer.read(content)
    if commands is not None and len(commands) == 1 and not commands[0].redirects:
        return commands[0].texts
    return tuple(_ESCAPED.sub(r"\1", content).split())


def _pieces(content: str) -> tuple[str, ...]:
    """The text between unescaped stars."""
    marked = _ESCAPED.sub(lambda match: "\0" if match[1] == "*" else "\1", content)
    return tuple(piece.replace("\0", "*").replace("\1", "\\") for piece in marked.split("*"))


def _matches(pieces: Sequence[str], text: str) -> bool:
    """In linear time. A star at the end, after a blank, also means that nothing follows."""
    first, *middle, last = pieces
    if not last and not middle and first.endswith(" ") and text == first[:-1]:
        return True
    if not text.startswith(first):
        return False
    position = len(first)
    for piece in middle:
        found = text.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return len(text) - len(last) >= position and text.endswith(last)


def _forms(command: SimpleCommand) -> list[tuple[Word, ...]]:
    """The words as they are, with the program's bare name, and without options in front of a subcommand."""
    named = (Word(command.name), *command.arguments)
    forms = [command.words, named]
    if command.arguments and command.arguments[0].text.startswith("-"):
        forms += [
            (named[0], *command.arguments[position:]) for position in range(1, min(len(command.arguments), MAX_OPTIONS))
        ]
    return forms


def _agree(words: Sequence[Word], wanted: Sequence[str]) -> bool:
    return all(
        not word.certain or word.text == text or (position == 0 and word.text == text.rpartition("/")[2])
        for position, (word, text) in enumerate(zip(words, wanted, strict=False))
    )
