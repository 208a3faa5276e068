"""Paths that try to leave a workspace, whatever is in it."""

import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentsvc.agent.backend import Changed, FileStat, Outside
from agentsvc.workspaces.local import LocalBackend
from agentsvc.workspaces.sandbox import Sandbox
from tests.workspaces.grounds import CANARY, Grounds, shows_canary

OUTSIDE = [
    *("..", "../", "../..", "../../..", "/", "//", "/.", "/..", "../outside", "../outside/secret", "./../outside"),
    *("directory/../../outside/secret", "directory/..//..//outside//secret", "absent/../../outside/secret"),
    *("directory/./.././../outside/secret", "../root/../outside/secret", "file/../../outside/secret"),
    *("../root-twin/secret", "{root}-twin/secret", "{root}/../outside/secret", "{root}/directory/../../outside/secret"),
    *("{outside}/secret", "/{outside}/secret", "//{outside}/secret", "{outside}", "{outside}/made", "../made/new/file"),
    *("/etc/shadow", "/etc/passwd", "/etc/../etc/shadow", "/dev/zero", "/dev/tty", "/dev/stdin", "/proc/self/environ"),
    *("/proc/self/root{outside}/secret", "/proc/self/cwd", "/proc/self/fd/{fd}", "/proc/{pid}/fd/{fd}", "/dev/fd/{fd}"),
    *("/proc/self/root/etc/shadow", "/proc/self/fd/{directory_fd}/secret", "/proc/thread-self/root/etc/shadow"),
    *("out", "out/secret", "out/directory/secret", "out/directory/../secret", "out/made", "out/made/new", "out-file"),
    *("up", "up/outside/secret", "up-up", "system", "system/etc/shadow", "passwords", "beside", "hop", "hop/secret"),
    *("hop2/directory/secret", "directory/hop3/secret", "here/up2/outside/secret", "here/here/out/secret", "self"),
    *("self{outside}/secret", "self/etc/shadow", "cwd", "fds/{fd}", "dangling-out", "inner/hop3/secret", "~/../../x"),
    *("here/../../outside/secret", "inner/../../outside/secret", "inner/../../outside/made"),
    *("\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}", "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/secret"),
]

REFUSED = [
    *("\0", "file\0", "../outside/secret\0", "a\0/../../outside/secret", "\ud800", "x" * 256, "x/" * 20_000),
    *("/" * 40_000, "loop", "loop/x", "loop2", "loop3/../out", "pipe", "socket", "pipe/x", "socket/x", "file/x"),
]

INSIDE = [
    *("file", "./file", "file/", "//{root}/file", "{root}/file", "{root}//directory/..//file", "directory/../file"),
    *("here/here/file", "inner/file", "inner-file", "inner/../file", "absent/../file", "round", "../root/file"),
    *("up/root/file", "/proc/self/root{root}/file", "/proc/self/fd/{root_fd}/file", "{outside}/../root/file"),
    "out/../root/file",
]


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    grounds = Grounds(tmp_path)
    grounds.furnish()
    return grounds


@pytest.fixture
def filled(grounds: Grounds) -> Iterator[Callable[[str], str]]:
    """Puts this machine's paths and open descriptors into a path."""
    opened = {
        "fd": os.open(grounds.outside / "secret", os.O_RDONLY),
        "directory_fd": os.open(grounds.outside, os.O_RDONLY),
        "root_fd": os.open(grounds.root, os.O_RDONLY),
    }
    yield lambda path: path.format(root=grounds.root, outside=grounds.outside, pid=os.getpid(), **opened)
    for each in opened.values():
        os.close(each)


def actions(backend: LocalBackend, path: str) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "stat": lambda: backend.stat(path),
        "read": lambda: backend.read(path),
        "list": lambda: backend.list(path),
        "create": lambda: backend.write(path, b"written"),
        "replace": lambda: backend.write(path, b"written", create=False),
        "make parents": lambda: backend.write(f"{path}/new/file", b"written"),
    }


@pytest.mark.parametrize("path", OUTSIDE)
async def test_a_path_that_leads_out_is_refused(grounds: Grounds, filled: Callable[[str], str], path: str):
    for act in actions(grounds.backend(), filled(path)).values():
        with pytest.raises(Outside):
            await act()

    assert grounds.is_untouched()


@pytest.mark.parametrize("path", REFUSED, ids=range(len(REFUSED)))
async def test_a_path_that_cannot_be_used_is_an_error_and_nothing_else(grounds: Grounds, path: str):
    for name, act in actions(grounds.backend(), path).items():
        if name == "stat":
            continue
        with pytest.raises(OSError, match=r".+"):
            await act()

    assert grounds.is_untouched()


@pytest.mark.parametrize("path", [each for each in REFUSED if each not in {"pipe", "socket"}], ids=repr)
async def test_of_a_path_that_cannot_be_used_nothing_is_known(grounds: Grounds, path: str):
    try:
        stat = await grounds.backend().stat(path)
    except OSError:
        stat = None

    assert stat is None


@pytest.mark.parametrize("path", INSIDE)
async def test_a_path_that_stays_inside_is_followed(grounds: Grounds, filled: Callable[[str], str], path: str):
    backend = grounds.backend()

    read = await backend.read(filled(path))
    await backend.write(filled(path), b"written", expected=read.stat.stamp)

    assert read.data == b"inside"
    assert (await backend.read(filled(path))).data == b"written"
    assert read.stat.path in {f"{grounds.root}/file", f"{grounds.root}/directory/file"}
    assert grounds.is_untouched()


async def test_a_link_to_a_place_inside_that_is_not_there_yet_is_filled(grounds: Grounds):
    grounds.link("later", "new/place")

    await grounds.backend().write("later", b"x")

    assert (grounds.root / "new/place").read_bytes() == b"x"
    assert (grounds.root / "later").is_symlink()


async def test_a_long_chain_of_links_is_followed_or_refused_but_no_crash(grounds: Grounds):
    for n in range(1500):
        grounds.link(f"chain{n}", f"chain{n + 1}")
    grounds.link("chain1500", grounds.outside)

    for name in ("chain0", "chain0/secret", "chain1490/secret"):
        for act in actions(grounds.backend(), name).values():
            with pytest.raises(OSError, match=r"symbolic links|leads out"):
                await act()

    assert grounds.is_untouched()


async def test_writing_does_not_go_through_a_hard_link(grounds: Grounds):
    backend = grounds.backend()
    stat = await backend.stat("hard")
    assert stat is not None

    await backend.write("hard", b"written", expected=stat.stamp)

    assert (await backend.read("hard")).data == b"written"
    assert grounds.is_untouched()


async def test_a_device_is_not_read(grounds: Grounds):
    try:
        os.mknod(grounds.root / "zero", 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")

    for act in (grounds.backend().read("zero", limit=1), grounds.backend().write("zero", b"", create=False)):
        with pytest.raises(OSError, match="Not a regular file"):
            await act


async def test_depth_is_no_way_out(grounds: Grounds):
    backend, deep = grounds.backend(), "/".join(["d" * 200] * 30)

    written = await backend.write(f"{deep}/file", b"far down")

    assert (await backend.read(f"{deep}/file")).data == b"far down"
    assert written.path == f"{grounds.root}/{deep}/file"
    with pytest.raises(Outside):
        await backend.read(f"{deep}/" + "../" * 32 + "outside/secret")


@pytest.mark.parametrize(("written", "other"), [("File", "file"), ("caf\u00e9", "cafe\u0301"), ("a.", "a")])
async def test_names_that_look_alike_are_names_of_their_own(tmp_path: Path, written: str, other: str):
    backend = LocalBackend(tmp_path, Sandbox(name="none"))

    await backend.write(written, b"1")
    (tmp_path / "made-here").touch()

    assert (await backend.stat(other) is not None) == (tmp_path / other).exists()
    assert [Path(each.path).name for each in await backend.list(".")] == sorted([written, "made-here"])


@pytest.mark.parametrize("by", ["link", "directory", "file", "nothing"])
async def test_a_root_that_was_replaced_is_not_used(grounds: Grounds, by: str):
    backend = grounds.backend()
    grounds.root.rename(grounds.place / "moved")
    match by:
        case "link":
            grounds.root.symlink_to(grounds.outside)
        case "directory":
            (grounds.place / "root-twin").rename(grounds.root)
        case "file":
            grounds.root.write_bytes(CANARY)
        case _:
            pass

    for path in ("secret", "directory/secret", f"{grounds.root}/secret", "."):
        for name, act in actions(backend, path).items():
            if (by, name) == ("nothing", "stat"):
                assert await act() is None
                continue
            with pytest.raises(FileNotFoundError if by == "nothing" else Outside):
                await act()
    assert not (grounds.outside / "new").exists()


async def test_a_root_that_is_reached_through_a_link_is_the_real_one(grounds: Grounds):
    (grounds.place / "alias").symlink_to("root")

    backend = LocalBackend(grounds.place / "alias", Sandbox(name="none"))

    assert backend.root == str(grounds.root)
    assert (await backend.read(f"{grounds.place}/alias/file")).data == b"inside"


async def test_listing_shows_links_and_not_what_they_lead_to(grounds: Grounds):
    listed = await grounds.backend().list(".")

    assert not shows_canary([each for each in listed if each.kind != "file"])
    kinds = {Path(each.path).name: each.kind for each in listed}
    assert (kinds["out"], kinds["pipe"], kinds["directory"]) == ("symlink", "other", "directory")


def test_a_canary_would_be_seen():
    stat = FileStat(path="/x/secret", kind="file", size=len(CANARY), mtime=0, mode=0, stamp="")

    assert all(shows_canary(each) for each in (stat, [stat]))


async def test_a_file_that_is_there_is_not_created_again_through_a_link(grounds: Grounds):
    with pytest.raises(Changed):
        await grounds.backend().write("inner-file", b"")
