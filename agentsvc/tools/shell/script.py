"""What a shell command says, taken apart: the simple commands in it, and whatever keeps it from being understood."""

from typing import Literal

from msgspec import Struct

from agentsvc.domain.permissions import Reason

Operator = Literal["", "|", "&&", "||", ";"]
Role = Literal["read", "list", "visible", "tree", "write", "repository"]


class Word(Struct, frozen=True):
    """One word with its quotes removed.

    ``exact``: nothing in it is expanded, apart from a ``pattern`` for names of files and a tilde for a ``home``.
    """

    text: str
    exact: bool = True
    pattern: bool = False
    home: bool = False

    @property
    def certain(self) -> bool:
        """The program gets just this text."""
        return self.exact and not self.pattern and not self.home


class Redirect(Struct, frozen=True):
    """Reads from a file, or writes to one. What only joins two streams is none."""

    role: Literal["read", "write"]
    target: Word


class SimpleCommand(Struct, frozen=True):
    """A program and what it is given. ``operator`` is what stands before it; empty for the first one."""

    program: Word
    arguments: tuple[Word, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    operator: Operator = ""

    @property
    def name(self) -> str:
        """The program without its directory."""
        return self.program.text.rpartition("/")[2]

    @property
    def words(self) -> tuple[Word, ...]:
        return (self.program, *self.arguments)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.words)


class Script(Struct, frozen=True, kw_only=True):
    """``commands`` are all simple commands, also those inside constructs. ``doubts``: why it is not understood.

    Without doubts the commands run one after another, joined by their operators. ``redirects`` are those of constructs.
    """

    text: str
    commands: tuple[SimpleCommand, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    doubts: tuple[Reason, ...] = ()


class PathUse(Struct, frozen=True):
    """A path as the command names it, relative to where the script starts, and what is done with it.

    It may begin with a tilde for somebody's home; a file whose name does is written ``./~``.

    ``list``: names and sizes, no content. ``tree``: the content of everything below, ``visible``: but of hidden files.
    ``repository``: that of the workspace, with its settings, is used by git.
    """

    path: str
    role: Role
    pattern: bool = False
