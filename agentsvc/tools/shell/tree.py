"""The syntax tree of a shell script: every simple command in it, wherever it stands, and what makes one doubt.

Words that hold expansions are marked as not exact; their text is then only a part of what the program gets.
"""

import re
from collections.abc import Iterator

import tree_sitter_bash
from msgspec import Struct
from tree_sitter import Language, Node, Parser

from agentsvc.tools.shell.lexer import unquote_double
from agentsvc.tools.shell.script import Redirect, SimpleCommand, Word
from agentsvc.tools.shell.vocabulary import words

MAX_NODES = 20_000

_LANGUAGE = Language(tree_sitter_bash.language())
_PLAIN = words(
    "program list pipeline redirected_statement command command_name word raw_string string string_content"
    ' concatenation number file_redirect file_descriptor && || | ; " > >> < >& &> &>>'
) | {"\n"}
_DOUBTS = {
    "ERROR": "unparsable",
    "command_substitution": "substitution",
    "process_substitution": "substitution",
    "expansion": "expansion",
    "arithmetic_expansion": "expansion",
    "simple_expansion": "variable",
    "subshell": "subshell",
    "compound_statement": "group",
    "for_statement": "control_structure",
    "c_style_for_statement": "control_structure",
    "while_statement": "control_structure",
    "if_statement": "control_structure",
    "case_statement": "control_structure",
    "function_definition": "function",
    "test_command": "test_command",
    "variable_assignment": "assignment",
    "variable_assignments": "assignment",
    "declaration_command": "assignment",
    "unset_command": "assignment",
    "&": "background",
    "heredoc_redirect": "heredoc",
    "herestring_redirect": "heredoc",
    "comment": "comment",
    "ansi_c_string": "ansi_quote",
}
_COMMANDS = frozenset({"command", "declaration_command", "unset_command", "test_command"})
_NO_ARGUMENTS = frozenset({"variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect"})
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ANSI = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c(.)|(.))", re.DOTALL
)
_ANSI_LETTERS = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Reading(Struct, frozen=True):
    """``doubts`` are codes, each once."""

    commands: tuple[SimpleCommand, ...]
    redirects: tuple[Redirect, ...]
    doubts: tuple[str, ...]


def read(text: str) -> Reading:
    """Never raises. A script with more than ``MAX_NODES`` nodes is read only in part, and doubted."""
    doubts: dict[str, None] = {}
    commands: list[SimpleCommand] = []
    redirects: list[Redirect] = []
    for count, node in enumerate(_walk(Parser(_LANGUAGE).parse(text.encode("utf-8", "replace")).root_node)):
        if count >= MAX_NODES:
            doubts["too_complex"] = None
            break
        if node.is_missing:
            doubts["unparsable"] = None
        elif node.type not in _PLAIN:
            doubts[_DOUBTS.get(node.type, "not_understood")] = None
        if node.type in _COMMANDS:
            commands += _command(node)
        elif node.type == "file_redirect":
            redirects += _redirect(node)
    return Reading(tuple(commands), tuple(redirects), tuple(doubts))


def _walk(root: Node) -> Iterator[Node]:
    """Every node, parents before children, in the order of the text."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def _command(node: Node) -> Iterator[SimpleCommand]:
    if node.type == "command":
        parts = [each for each in node.named_children if each.type not in _NO_ARGUMENTS]
        words = [_word(part) for part in parts] + list(_stragglers(node))
    else:
        words = [Word(_text(each), exact=False) for each in node.children]
        words[:1] = [Word(words[0].text)] if words else []
    if words:
        yield SimpleCommand(words[0], tuple(words[1:]))


def _stragglers(command: Node) -> Iterator[Word]:
    """Words after a redirect, which the grammar hangs below the redirect, though they belong to the command."""
    inside = list(command.named_children)
    parent = command.parent
    beside = parent.named_children[1:] if parent is not None and parent.type == "redirected_statement" else []
    for node in (*inside, *beside):
        if node.type == "file_redirect":
            yield from (_word(each) for each in _destinations(node)[1:])


def _redirect(node: Node) -> Iterator[Redirect]:
    operator = next((each.type for each in node.children if not each.is_named), "")
    targets = _destinations(node)
    if targets and not (operator == ">&" and _text(targets[0]) in ("1", "2")):
        yield Redirect("read" if operator == "<" else "write", _word(targets[0]))


def _destinations(redirect: Node) -> list[Node]:
    return [each for each in redirect.named_children if each.type != "file_descriptor"]


def _word(node: Node) -> Word:
    text = _text(node)
    match node.type:
        case "command_name" if node.child_count:
            return _joined(node)
        case "word" | "number" | "command_name" | "extglob_pattern" if not node.named_child_count:
            pattern = any(char in text for char in "*?[")
            return Word(_ESCAPED.sub(r"\1", text), pattern=pattern, home=text.startswith("~"))
        case "raw_string":
            return Word(text[1:-1])
        case "ansi_c_string":
            return Word(_ANSI.sub(_ansi, text[2:-1]))
        case "string":
            return Word(unquote_double(text[1:-1]), exact=_only(node, "string_content"))
        case "concatenation":
            return _joined(node)
        case _:
            return Word(text, exact=False)


def _joined(node: Node) -> Word:
    words = [_word(child) for child in node.children]
    text = "".join(word.text for word in words)
    return Word(
        text,
        exact=all(word.exact for word in words),
        pattern=any(word.pattern for word in words),
        home=bool(words) and words[0].home,
    )


def _only(node: Node, kind: str) -> bool:
    return all(child.type == kind for child in node.named_children)


def _ansi(match: re.Match[str]) -> str:
    hexadecimal = match[1] or match[2] or match[3]
    if hexadecimal or match[4]:
        code = int(hexadecimal, 16) if hexadecimal else int(match[4], 8)
        return chr(code) if code <= 0x10FFFF else ""
    if match[5]:
        return chr(ord(match[5]) & 0x1F)
    return _ANSI_LETTERS.get(match[6], match[6])


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
