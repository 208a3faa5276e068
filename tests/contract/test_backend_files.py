"""What every backend keeps to with files, wherever they are."""

import asyncio
from pathlib import Path

import pytest

from agentsvc.agent.backend import BackendBase, Changed
from tests.workspaces.commands import run, shell

MEGABYTE = 1_000_000
BINARY = bytes(range(256)) * 5


async def test_bytes_are_read_as_they_were_written(backend: BackendBase):
    written = await backend.write("deep/er/ü 日本.bin", BINARY)

    read = await backend.read("deep/er/ü 日本.bin")
    assert (read.data, read.stat) == (BINARY, written)
    assert (written.path, written.kind) == (f"{backend.root}/deep/er/ü 日本.bin", "file")
    assert written.size == len(BINARY)
    assert await backend.stat("deep/er/../er//./ü 日本.bin") == written
    assert (await run(backend, "cat", "deep/er/ü 日本.bin")).stdout == BINARY


@pytest.mark.parametrize(
    ("offset", "limit", "data"),
    [(0, 4, b"0123"), (4, None, b"456789"), (8, 9, b"89"), (99, 1, b""), (3, 0, b"")],
)
async def test_a_part_of_a_file_is_read(backend: BackendBase, offset: int, limit: int | None, data: bytes):
    await backend.write("file", b"0123456789")

    read = await backend.read("file", offset=offset, limit=limit)

    assert (read.data, read.stat.size) == (data, 10)


async def test_what_is_missing_is_said_to_be(backend: BackendBase):
    assert await backend.stat("absent") is None
    assert await backend.stat("absent/er") is None
    for action in (backend.read, backend.list):
        with pytest.raises(FileNotFoundError):
            await action("absent/er")


async def test_files_and_directories_are_not_mistaken(backend: BackendBase):
    await backend.write("directory/file", b"")

    assert await backend.stat("directory/file/er") is None
    for refused, error in [
        (backend.read("directory"), IsADirectoryError),
        (backend.write("directory", b"", create=False), IsADirectoryError),
        (backend.list("directory/file"), NotADirectoryError),
        (backend.read("directory/file/er"), NotADirectoryError),
        (backend.write("directory/file/er", b""), NotADirectoryError),
    ]:
        with pytest.raises(error):
            await refused


async def test_a_directory_is_listed_in_order_and_links_as_such(backend: BackendBase):
    assert await backend.list(".") == []
    await backend.write("b", b"12")
    await backend.write("a/x", b"")
    await run(backend, "ln", "-s", "/", "c")
    await run(backend, "mkfifo", "d")

    listed = [each for each in await backend.list(backend.root) if not each.path.endswith("/.agentsvc")]

    named = [(each.path.removeprefix(f"{backend.root}/"), each.kind) for each in listed]
    assert named == [("a", "directory"), ("b", "file"), ("c", "symlink"), ("d", "other")]
    assert listed[1] == await backend.stat("b")


async def test_the_stamp_tells_every_change(backend: BackendBase):
    stamps = [(await backend.write("file", b"1")).stamp]
    stamps.append((await backend.write("file", b"2", expected=stamps[-1])).stamp)

    await shell(backend, "echo -n 3 > file")

    read = await backend.read("file")
    assert read.data == b"3"
    assert len({*stamps, read.stat.stamp}) == 3


async def test_a_file_that_was_changed_is_not_overwritten(backend: BackendBase):
    old = (await backend.write("file", b"old")).stamp
    await backend.write("file", b"new", expected=old)

    for refused in (
        backend.write("file", b"lost"),
        backend.write("file", b"lost", expected=old),
        backend.write("file", b"lost", expected=old, create=False),
        backend.write("absent", b"", expected=old),
    ):
        with pytest.raises(Changed):
            await refused

    assert (await backend.read("file")).data == b"new"
    assert await backend.stat("absent") is None


async def test_a_file_is_replaced_when_nothing_is_expected(backend: BackendBase):
    for data in (b"old", b"new"):
        await backend.write("file", data, create=False)

    assert (await backend.read("file")).data == b"new"


@pytest.mark.parametrize("first", [True, False], ids=["new", "there"])
async def test_of_writers_at_once_one_wins(backend: BackendBase, first: bool):
    stamp = None if first else (await backend.write("file", b"")).stamp

    async def write(n: int) -> bool:
        try:
            await backend.write("file", b"%d" % n, expected=stamp)
        except Changed:
            return False
        return True

    won = await asyncio.gather(*map(write, range(12)))

    assert won.count(True) == 1
    assert (await backend.read("file")).data == b"%d" % won.index(True)
    assert [each.path for each in await backend.list(".")] == [f"{backend.root}/file"]


async def test_readers_see_the_old_file_or_the_new_one(backend: BackendBase):
    versions = [b"%d" % n * MEGABYTE for n in range(5)]
    await backend.write("file", versions[0])

    async def rewrite() -> None:
        for version in versions[1:]:
            await backend.write("file", version, create=False)

    writing = asyncio.create_task(rewrite())
    while not writing.done():
        assert (await backend.read("file")).data in versions
    await writing


async def test_the_mode_of_a_file_stays(backend: BackendBase):
    await backend.write("program", b"#!/bin/sh\necho old")
    await run(backend, "chmod", "750", "program")
    stat = await backend.stat("program")
    assert stat is not None

    written = await backend.write("program", b"#!/bin/sh\necho new", expected=stat.stamp)

    assert (stat.mode, written.mode) == (0o750, 0o750)
    assert (await run(backend, "./program")).stdout == b"new\n"


async def test_a_path_is_resolved_whether_it_is_there_or_not(backend: BackendBase):
    await shell(backend, "mkdir real; ln -s real link; ln -s / out; ln -s gone dangling")

    for path, resolved in {
        "": "",
        "a//b/./c/../d": "/a/b/d",
        "link/x/y": "/real/x/y",
        f"{backend.root}/link": "/real",
        "dangling": "/gone",
    }.items():
        assert await backend.resolve(path) == backend.root + resolved
    for path, resolved in {
        "../..//x": str(Path(backend.root, "../../x").resolve()),
        "/etc/../x": "/x",
        "out/x": "/x",
    }.items():
        assert await backend.resolve(path) == resolved
