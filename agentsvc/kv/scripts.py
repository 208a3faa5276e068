"""Lua scripts: files beside the module that calls them, known to Redis by their hash."""

import hashlib
from importlib.resources import files


class Script:
    """One script. Each must be safe to run twice with the same arguments, since a lost answer is asked for again.

    ``functions`` is the file of the functions that it shares with others; its text comes first.
    """

    def __init__(self, package: str, name: str, functions: str | None = None) -> None:
        self.name = name
        parts = [name] if functions is None else [functions, name]
        self.text = b"".join(files(package).joinpath("lua", f"{part}.lua").read_bytes() for part in parts)
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()
        SCRIPTS[self.sha] = self

    def __repr__(self) -> str:
        return f"Script({self.name})"


SCRIPTS: dict[str, Script] = {}
"""Each one by its hash: a server that does not know it is told its text."""
