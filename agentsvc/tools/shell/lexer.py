"""A strict reading of the harmless part of shell grammar: words, quotes, pipelines, lists and file redirects.

Whatever is outside of it, or differs between shells, gives no reading at all.
Source of the rules: POSIX.1-2024, Shell Command Language, 2.2 (quoting) and 2.3 (tokens).
"""

import re
from collections.abc import Iterator
from typing import Literal, cast

from agentsvc.tools.shell.script import Operator, Redirect, SimpleCommand, Word
from agentsvc.tools.shell.vocabulary import words

_PIECE = re.compile(
    r"""(?P<bare>[^\s|&;<>()$`"'\\]+)|'(?P<single>[^']*)'|"(?P<double>(?:[^"\\$`]|\\[^\n])*)"|\\(?P<escaped>[^\n])"""
)
_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t]+)
    | (?P<operator>&&|\|\||;(?!;)|\|(?![|&])|\n[ \t\n]*)
    | (?P<joined>[0-9]?>&[12](?=[\s;|]|$))
    | (?P<redirect>(?:[0-9]?|&)>>?(?![>&(|])|[0-9]?<(?![<>&(]))
    | (?P<word>(?!\#|[0-9]{2,}[<>])(?:[^\s|&;<>()$`"'\\]|'[^']*'|"(?:[^"\\$`]|\\[^\n])*"|\\[^\n])+)
    """,
    re.VERBOSE,
)
_IN_DOUBLE_QUOTES = re.compile(r'\\(["\\$`])')
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\[.*\])?\+?=")
_TILDE = re.compile(r"(^|[=:])~")
_RESERVED = words("! { } [[ ]] case coproc do done elif else esac fi for function if in select then time until while")
_PATTERN = frozenset("*?[")

_Token = tuple[str, str]


def read(text: str) -> tuple[SimpleCommand, ...] | None:
    """The simple commands of a script in order, or None where anything in it is not known to be harmless grammar."""
    tokens = _tokens(text.strip(" \t\n"))
    if tokens is None:
        return None
    if tokens and tokens[-1] == ("operator", ";"):
        tokens.pop()
    commands: list[SimpleCommand] = []
    for operator, part in _parts(tokens):
        command = _command(operator, part)
        if command is None:
            return None
        commands.append(command)
    return tuple(commands)


def unquote_double(text: str) -> str:
    """What stands between double quotes, without expansions."""
    return _IN_DOUBLE_QUOTES.sub(r"\1", text)


def _tokens(text: str) -> list[_Token] | None:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        if match.lastgroup != "blank":
            tokens.append((cast("str", match.lastgroup), match.group()))
        position = match.end()
    return tokens


def _parts(tokens: list[_Token]) -> Iterator[tuple[Operator, list[_Token]]]:
    operator: Operator = ""
    part: list[_Token] = []
    for kind, text in tokens:
        if kind == "operator":
            yield operator, part
            operator, part = cast("Operator", ";" if text.startswith("\n") else text), []
        else:
            part.append((kind, text))
    yield operator, part


def _command(operator: Operator, tokens: list[_Token]) -> SimpleCommand | None:
    words: list[Word] = []
    redirects: list[Redirect] = []
    rest = iter(token for token in tokens if token[0] != "joined")
    for kind, text in rest:
        what, quoted = next(rest, ("", "")) if kind == "redirect" else (kind, text)
        word = _word(quoted) if what == "word" else None
        if word is None:
            return None
        if kind == "redirect":
            redirects.append(Redirect(_role(text), word))
        elif words or not (_ASSIGNMENT.match(quoted) or quoted in _RESERVED):
            words.append(word)
        else:
            return None
    if not words or words[0].pattern or words[0].home:
        return None
    return SimpleCommand(words[0], tuple(words[1:]), tuple(redirects), operator)


def _role(redirect: str) -> Literal["read", "write"]:
    return "read" if redirect.endswith("<") else "write"


def _word(quoted: str) -> Word | None:
    """None for braces that expand, and for patterns of which a part is quoted: they would have to be told apart."""
    text = ""
    bare = ""
    hidden = False
    for piece in _PIECE.finditer(quoted):
        plain = piece["bare"] or ""
        literal = _literal(piece)
        hidden = hidden or not _PATTERN.isdisjoint(literal)
        text += plain + literal
        bare += plain or "\0"
    pattern = not _PATTERN.isdisjoint(bare)
    _, braced, rest = bare.partition("{")
    if (braced and ("," in rest or ".." in rest)) or (pattern and hidden):
        return None
    return Word(text, pattern=pattern, home=_TILDE.search(bare) is not None)


def _literal(piece: re.Match[str]) -> str:
    return (piece["single"] or "") + unquote_double(piece["double"] or "") + (piece["escaped"] or "")
