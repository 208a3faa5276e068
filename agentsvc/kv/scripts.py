"""Lua scripts: files beside the module that calls them, known to Redis by their hash."""

import hashlib
from importlib.resources import files


class Script:
    """One script. Each must be safe to run twice with the same arguments, since a lost answer is asked for again."""

    def __init__(self, package: str, name: str) -> None:
        self.name = name
        self.text = files(package).joinpath("lua", f"{name}.lua").read_bytes()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"Script({self.name})"
