"""Paths that change while they are used: whatever is swapped when, nothing outside is read or written."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from agentsvc.workspaces.files import Expected, list_directory, read_file, stat_file, write_file
from agentsvc.workspaces.tree import Tree
from tests.workspaces.grounds import Grounds, shows_canary

ROUNDS = 3000
WRITES = 400
PATIENCE = 200

Flip = Callable[[Grounds], None]


def file_and_link(grounds: Grounds) -> None:
    """The file ``target`` becomes a link to a secret, and a file again."""
    exchange(grounds.root / "target", lambda new: new.symlink_to(grounds.outside / "secret"))
    exchange(grounds.root / "target", lambda new: new.write_bytes(b"inside"))


def directory_and_link(grounds: Grounds) -> None:
    """The directory in which the target lies."""
    swapped(grounds.root / "a/b", grounds.root / "kept", grounds.outside / "directory")


def upper_directory_and_link(grounds: Grounds) -> None:
    """The one above it: ``b`` is then that of outside."""
    swapped(grounds.root / "a", grounds.root / "kept", grounds.outside / "twin")


def root_and_link(grounds: Grounds) -> None:
    swapped(grounds.root, grounds.place / "kept", grounds.outside)


def link_and_link(grounds: Grounds) -> None:
    """A link that leads inside, and then out."""
    exchange(grounds.root / "way", lambda new: new.symlink_to(grounds.outside / "directory"))
    exchange(grounds.root / "way", lambda new: new.symlink_to("a/b"))


def exchange(place: Path, make: Callable[[Path], Any]) -> None:
    new = place.with_name("new")
    with suppress(FileNotFoundError):
        new.unlink()
    make(new)
    new.rename(place)


def swapped(place: Path, kept: Path, outside: Path) -> None:
    with suppress(FileNotFoundError):
        place.rename(kept)
    place.symlink_to(outside)
    place.unlink()
    with suppress(OSError):
        # A writer may have made the directory anew.
        kept.rename(place)


CASES: dict[str, tuple[Flip, str]] = {
    "file": (file_and_link, "target"),
    "directory": (directory_and_link, "a/b/secret"),
    "upper": (upper_directory_and_link, "a/b/secret"),
    "root": (root_and_link, "secret"),
    "root of a directory": (root_and_link, "directory/secret"),
    "link": (link_and_link, "way/secret"),
}


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    twin = tmp_path / "outside/twin/b"
    twin.mkdir(parents=True)
    (twin / "secret").write_bytes(b"canary: of the twin")
    grounds = Grounds(tmp_path)
    (grounds.root / "a/b").mkdir(parents=True)
    for name in ("target", "a/b/secret", "secret", "directory/secret"):
        (grounds.root / name).write_bytes(b"inside")
    grounds.link("way", "a/b")
    return grounds


@contextmanager
def flipping(flip: Flip, grounds: Grounds) -> Iterator[None]:
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            with suppress(OSError):
                flip(grounds)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("name", CASES)
def test_nothing_outside_is_read_while_a_path_is_swapped(grounds: Grounds, name: str):
    flip, path = CASES[name]
    tree = Tree(str(grounds.root))
    reads: list[Callable[[], Any]] = [
        lambda: read_file(tree, path, 0, None),
        lambda: list_directory(tree, str(Path(path).parent)),
    ]
    answered = 0

    with flipping(flip, grounds):
        for n in range(PATIENCE * ROUNDS):
            if n >= ROUNDS and answered:
                break
            with suppress(OSError):
                answer = reads[n % len(reads)]()
                answered += 1
                assert not shows_canary(answer) or is_listing_of(answer, grounds.root)

    assert answered


@pytest.mark.parametrize("name", CASES)
def test_nothing_outside_is_looked_at_while_a_path_is_swapped(grounds: Grounds, name: str):
    flip, path = CASES[name]
    tree = Tree(str(grounds.root))

    with flipping(flip, grounds):
        for _ in range(ROUNDS):
            with suppress(OSError):
                stat = stat_file(tree, path)
                assert stat is None or (stat.size == len(b"inside") and stat.path.startswith(f"{grounds.root}/"))


@pytest.mark.parametrize("name", CASES)
def test_nothing_outside_is_written_while_a_path_is_swapped(grounds: Grounds, name: str):
    flip, path = CASES[name]
    tree = Tree(str(grounds.root))
    before = outside_of(grounds)
    written = 0

    with flipping(flip, grounds):
        for n in range(PATIENCE * WRITES):
            if n >= WRITES and written:
                break
            with suppress(OSError):
                write_file(tree, path if n % 2 else f"{path}{n}", b"inside", Expected(None, absent=False))
                written += 1

    assert written
    assert outside_of(grounds) == before


def is_listing_of(answer: object, root: Path) -> bool:
    """The workspace has files that are called like those outside: sizes tell them apart."""
    return isinstance(answer, list) and all(
        each.path.startswith(f"{root}/") and each.size == len(b"inside")
        for each in answer
        if each.path.endswith("/secret")
    )


def outside_of(grounds: Grounds) -> dict[str, bytes | None]:
    return {str(each): each.read_bytes() if each.is_file() else None for each in grounds.outside.rglob("*")}
