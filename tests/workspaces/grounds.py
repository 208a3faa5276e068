"""A workspace with hostile things in it, and canaries outside that must stay as they are and unseen."""

import os
import socket
from pathlib import Path

from agentsvc.agent.backend import FileData, FileStat
from agentsvc.workspaces.local import LocalBackend
from agentsvc.workspaces.sandbox import Sandbox

CANARY = b"canary: nobody inside may see this"


class Grounds:
    """``root`` is the workspace, ``outside`` lies beside it: ``secret``, ``directory/secret``, ``twin`` of the root."""

    def __init__(self, place: Path) -> None:
        place = place.resolve()
        self.root, self.outside = place / "root", place / "outside"
        (self.root / "directory").mkdir(parents=True)
        (self.root / "directory/file").write_bytes(b"inside")
        (self.root / "file").write_bytes(b"inside")
        (self.outside / "directory").mkdir(parents=True)
        (place / "root-twin").mkdir()
        for secret in (self.outside / "secret", self.outside / "directory/secret", place / "root-twin/secret"):
            secret.write_bytes(CANARY)
        self.place = place
        self._before = self._seen()

    def backend(self) -> LocalBackend:
        return LocalBackend(self.root, Sandbox(name="none"))

    def link(self, name: str, target: str | Path) -> None:
        (self.root / name).symlink_to(target)

    def furnish(self) -> None:
        """Every hostile thing that a path can lead through."""
        links: dict[str, str | Path] = {
            "out": self.outside,
            "out-file": self.outside / "secret",
            "up": "..",
            "up-up": "../..",
            "system": "/",
            "passwords": "/etc/shadow",
            "beside": "../outside/secret",
            "hop": "hop2",
            "hop2": "directory/hop3",
            "directory/hop3": "../../outside",
            "here": ".",
            "here/up2": "..",
            "self": "/proc/self/root",
            "cwd": "/proc/self/cwd",
            "fds": "/proc/self/fd",
            "dangling-out": self.outside / "made",
            "round": "../root/file",
            "inner": "directory",
            "inner-file": self.root / "directory/file",
            "loop": "loop",
            "loop2": "loop3",
            "loop3": "loop2/x",
            "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}": self.outside,
        }
        for name, target in links.items():
            self.link(name, target)
        os.mkfifo(self.root / "pipe")
        os.link(self.outside / "secret", self.root / "hard")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.relpath(self.root / "socket"))

    def is_untouched(self) -> bool:
        """Whether all that is outside is as it was."""
        return self._seen() == self._before

    def _seen(self) -> dict[str, object]:
        paths = [each for each in self.place.rglob("*") if not each.is_relative_to(self.root) or each == self.root]
        return {str(each): each.read_bytes() if each.is_file() else each.stat().st_mode for each in paths}


def shows_canary(answer: FileData | FileStat | list[FileStat] | None) -> bool:
    match answer:
        case FileData(data=data):
            return CANARY[:6] in data
        case FileStat(size=size):
            return size == len(CANARY)
        case list():
            return any(each.path.endswith("/secret") for each in answer)
        case None:
            return False
