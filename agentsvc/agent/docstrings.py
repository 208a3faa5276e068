"""What a docstring says of a function and of its parameters, in the Google and the reST style."""

import inspect
import re
from typing import NamedTuple

_PARAMETERS = {"args", "arguments", "params", "parameters", "keyword args", "keyword arguments", "other parameters"}
_OUTCOMES = {"return", "returns", "yield", "yields", "raise", "raises"}

_HEADING = re.compile(r"(\w[\w ]*):\s*")
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)")
_FIELD = re.compile(r":(\w+)\s*([^:]*):\s*(.*)")
_FIELD_PARAMETERS = {"param", "parameter", "arg", "argument", "key", "keyword"}


class Docstring(NamedTuple):
    """``description`` is all but the parts about parameters, results and errors; ``parameters`` are one line each."""

    description: str
    parameters: dict[str, str]


def read(docstring: str | None) -> Docstring:
    """Take a docstring apart. Whatever is of neither style is description."""
    reader = _Reader()
    for line in inspect.cleandoc(docstring or "").splitlines():
        reader.take(line)
    return reader.result()


class _Reader:
    """Goes line by line. A part begins at its heading or field and ends at the next line that is not indented."""

    def __init__(self) -> None:
        self._description: list[str] = []
        self._parameters: dict[str, list[str]] = {}
        self._apart = False
        self._lists_parameters = False
        self._margin = ""
        self._name: str | None = None

    def result(self) -> Docstring:
        description = re.sub(r"\n{3,}", "\n\n", "\n".join(self._description)).strip()
        return Docstring(description, {name: " ".join(texts).strip() for name, texts in self._parameters.items()})

    def take(self, line: str) -> None:
        text = line.strip()
        if self._apart and (not text or line[0].isspace()):
            self._continue(text, margin=line[: len(line) - len(line.lstrip())])
            return
        self._apart = self._begin(text) if text and not line[0].isspace() else False
        if not self._apart:
            self._description.append(line)

    def _begin(self, text: str) -> bool:
        """Whether a part of its own begins here."""
        self._margin, self._name, self._lists_parameters = "", None, False
        if field := _FIELD.fullmatch(text):
            kind, subject, rest = field.groups()
            if kind in _FIELD_PARAMETERS and subject.split():
                self._enter(subject.split()[-1].lstrip("*"), rest)
            return True
        heading = _HEADING.fullmatch(text)
        title = heading[1].lower() if heading else ""
        self._lists_parameters = title in _PARAMETERS
        return self._lists_parameters or title in _OUTCOMES

    def _continue(self, text: str, *, margin: str) -> None:
        if not text:
            return
        if self._lists_parameters:
            self._margin = self._margin or margin
            entry = _ENTRY.fullmatch(text) if margin == self._margin else None
            if entry:
                self._enter(entry[1], entry[2])
                return
        if self._name is not None:
            self._parameters[self._name].append(text)

    def _enter(self, name: str, text: str) -> None:
        self._name = name
        self._parameters[name] = [text]
