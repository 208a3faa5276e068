"""Who shares a workspace, and what is kept in one for later."""

import asyncio
import hashlib
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.workspaces.local import LocalBackend
from agentsvc.workspaces.manager import LocalWorkspace, LocalWorkspaceManager, directory_name
from agentsvc.workspaces.sandbox import Sandbox
from tests.workspaces.commands import shell
from tests.workspaces.sandboxes import CONFINING, sandbox

SESSION = SessionId("s1")
IDS = [
    *(
        "ada",
        "Ada",
        "..",
        ".",
        "",
        "/",
        "a/b",
        "a\\b",
        "../ada",
        "/etc",
        "a\0b",
        "ada ",
        " ada",
        "%2e%2e",
        "%61da",
        "~",
    ),
    *(
        "x" * 100,
        "x" * 101,
        "x" * 10_000,
        "ü",
        "u\u0308",
        "\ud800",
        "日本" * 50,
        "a\nb",
        "con",
        "-rf",
        ".agentsvc",
        "ada\u200b",
    ),
]


@pytest.fixture
def manager(tmp_path: Path) -> LocalWorkspaceManager:
    return LocalWorkspaceManager(tmp_path / "workspaces", Sandbox(name="none"))


async def opened(manager: LocalWorkspaceManager, owner: str, agent: str = "a1", session: str = "s1") -> LocalWorkspace:
    return await manager.get_workspace(OwnerId(owner), AgentId(agent), SessionId(session))


async def test_sessions_of_an_agent_share_a_workspace(manager: LocalWorkspaceManager):
    one, other = await opened(manager, "ada"), await opened(manager, "ada", session="s2")

    await one.backend.write("file", b"shared")

    assert (await other.backend.read("file")).data == b"shared"
    assert one.backend.root in one.instructions


async def test_owners_and_agents_never_meet(manager: LocalWorkspaceManager, tmp_path: Path):
    pairs = [(owner, agent) for owner in IDS for agent in ("a1", *IDS[:6])]

    roots = [(await opened(manager, *pair)).backend.root for pair in pairs]

    assert len({root.lower() for root in roots}) == len(pairs)
    assert all(Path(root).parent.parent == tmp_path / "workspaces" for root in roots)


@given(st.text(), st.text())
def test_a_name_is_of_one_id_alone_and_harmless(one: str, other: str):
    names = directory_name(one), directory_name(other)

    assert (names[0] == names[1]) == (one == other)
    for name in names:
        assert 0 < len(name) <= 100
        assert name.isascii()
        assert name == name.lower()
        assert not {"/", ".", "\0"} & set(name)


async def test_directories_are_the_servers_alone(manager: LocalWorkspaceManager, tmp_path: Path):
    root = Path((await opened(manager, "ada")).backend.root)

    for place in (root, root.parent, root.parent.parent):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert root.parent.parent == tmp_path / "workspaces"


async def test_a_workspace_is_made_by_many_at_once(manager: LocalWorkspaceManager):
    workspaces = await asyncio.gather(*(opened(manager, "ada") for _ in range(12)))

    assert len({each.backend.root for each in workspaces}) == 1


@pytest.mark.parametrize("name", CONFINING)
async def test_a_command_does_not_see_another_owners_workspace(tmp_path: Path, name: str):
    manager = LocalWorkspaceManager(tmp_path, sandbox(name))
    ada, mallory = await opened(manager, "ada"), await opened(manager, "mallory")
    await ada.backend.write("secret", b"canary")

    other = ada.backend.root
    script = f"cat {other}/secret ../../ada/a1/secret; ls {tmp_path} ../..; echo x > {other}/secret"
    ended = await shell(mallory.backend, script)

    assert b"canary" not in ended.stdout
    assert b"ada" not in ended.stdout
    assert (await ada.backend.read("secret")).data == b"canary"


@pytest.mark.parametrize("hint", ["x/../../../../escaped", "x" * 10_000, "", "\0", "..", "/etc/passwd", "\ud800"])
async def test_an_offloaded_name_comes_from_the_content(manager: LocalWorkspaceManager, tmp_path: Path, hint: str):
    workspace = await opened(manager, "ada")
    data = b"x" * 1000

    path = await workspace.offload(hint, data)

    digest = hashlib.sha256(data).hexdigest()
    assert path == f"{workspace.backend.root}/.agentsvc/offload/{digest}"
    assert path is not None
    assert (await workspace.backend.read(path)).data == data
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == [digest]


async def test_the_same_content_is_stored_once(manager: LocalWorkspaceManager):
    workspace = await opened(manager, "ada")

    first = await asyncio.gather(*(workspace.offload(str(n), b"same") for n in range(6)))
    assert first[0] is not None
    before = await workspace.backend.stat(first[0])
    again = await workspace.offload("again", b"same")

    assert {*first, again} == {first[0]}
    assert await workspace.backend.stat(first[0]) == before
    assert await workspace.offload("other", b"other") != first[0]
    assert len(await workspace.backend.list(".agentsvc/offload")) == 2


async def test_what_was_cut_short_is_stored_anew(manager: LocalWorkspaceManager):
    workspace = await opened(manager, "ada")
    path = await workspace.offload("x", b"content")
    assert path is not None
    Path(path).write_bytes(b"cut")

    assert await workspace.offload("x", b"content") == path

    assert Path(path).read_bytes() == b"content"


@pytest.mark.parametrize("spoilt", ["a link out", "a file", "gone"])
async def test_what_cannot_be_offloaded_is_none(
    manager: LocalWorkspaceManager, tmp_path: Path, spoilt: str, caplog: pytest.LogCaptureFixture
):
    workspace = await opened(manager, "ada")
    root = Path(workspace.backend.root)
    match spoilt:
        case "a link out":
            (root / ".agentsvc").symlink_to(tmp_path)
        case "a file":
            (root / ".agentsvc").touch()
        case _:
            root.rmdir()

    assert await workspace.offload("result of x", b"content") is None

    assert "result of x" in caplog.text
    assert not (tmp_path / "offload").exists()


async def test_a_command_runs_where_the_private_directory_was_spoilt(tmp_path: Path):
    (tmp_path / ".agentsvc").symlink_to("/")

    ended = await shell(LocalBackend(tmp_path, Sandbox(name="none")), "echo fine")

    assert ended.stdout == b"fine\n"
    assert not Path("/tmp/.agentsvc").exists()
