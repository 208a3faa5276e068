"""Write and Edit on real files."""

import stat
from pathlib import Path

import pytest

from agentsvc.agent.backend import FileStat
from agentsvc.tools.edit import Edit
from agentsvc.tools.read import Read
from agentsvc.tools.write import Write
from agentsvc.workspaces.local import LocalBackend
from tests.tools.calls import refusal, run, text


@pytest.fixture
def read(backend, state):
    async def known(path: str) -> None:
        assert (await run(Read(backend), file_path=path, _agent_state=state)).state == "success"

    return known


@pytest.fixture
def edit(backend, state):
    async def edited(path: str, old: str, new: str, **more):
        return await run(Edit(backend), file_path=path, old_string=old, new_string=new, _agent_state=state, **more)

    return edited


async def test_a_new_file_is_written_with_its_directories(workspace, backend, state):
    chunk = await run(Write(backend), file_path="a/b/c.txt", content="één\nzwei\n", _agent_state=state)

    path = workspace / "a/b/c.txt"
    assert path.read_bytes() == "één\nzwei\n".encode()
    assert text(chunk) == "Created a/b/c.txt (2 lines)."
    assert chunk.metadata == {
        "diff": "--- /dev/null\n+++ a/b/c.txt\n@@ -0,0 +1,2 @@\n+één\n+zwei\n",
        "file_path": str(path),
        "occurrences": 1,
    }


@pytest.mark.parametrize("tool", [Write, Edit])
async def test_a_file_that_was_not_read_is_not_touched(workspace, backend, state, tool):
    (workspace / "a.txt").write_text("old")
    arguments = {"content": "new"} if tool is Write else {"old_string": "old", "new_string": "new"}

    words = await refusal(tool(backend), file_path="a.txt", _agent_state=state, **arguments)

    assert "has not been read" in words
    assert (workspace / "a.txt").read_text() == "old"


@pytest.mark.parametrize("tool", [Write, Edit])
async def test_a_file_that_changed_since_it_was_read_is_not_touched(workspace, backend, state, read, tool):
    (workspace / "a.txt").write_text("old")
    await read("a.txt")
    (workspace / "a.txt").write_text("older")
    arguments = {"content": "new"} if tool is Write else {"old_string": "old", "new_string": "new"}

    words = await refusal(tool(backend), file_path="a.txt", _agent_state=state, **arguments)

    assert "has changed since it was read" in words
    assert (workspace / "a.txt").read_text() == "older"


class Contested(LocalBackend):
    """Somebody else writes every file just before it is written."""

    async def write(self, path: str, data: bytes, *, expected: str | None = None, create: bool = True) -> FileStat:
        Path(self.root, path).write_text("theirs")
        return await super().write(path, data, expected=expected, create=create)


@pytest.mark.parametrize("tool", [Write, Edit])
async def test_who_writes_in_between_is_not_overwritten(workspace, state, read, tool):
    (workspace / "a.txt").write_text("old")
    await read("a.txt")
    arguments = {"content": "new"} if tool is Write else {"old_string": "old", "new_string": "new"}

    words = await refusal(tool(Contested(workspace)), file_path="a.txt", _agent_state=state, **arguments)

    assert "changed by somebody else" in words
    assert (workspace / "a.txt").read_text() == "theirs"


async def test_a_file_that_appears_in_between_is_not_overwritten(workspace, state):
    words = await refusal(Write(Contested(workspace)), file_path="a.txt", content="new", _agent_state=state)

    assert "changed by somebody else" in words
    assert (workspace / "a.txt").read_text() == "theirs"


async def test_a_file_that_was_read_under_another_name_may_be_written(workspace, backend, state, read):
    (workspace / "a.txt").write_text("old")
    (workspace / "link.txt").symlink_to("a.txt")
    await read("link.txt")

    await run(Write(backend), file_path=str(workspace / "a.txt"), content="new", _agent_state=state)

    assert (workspace / "a.txt").read_text() == "new"


async def test_a_written_file_may_be_written_again_and_edited(workspace, backend, state, edit):
    await run(Write(backend), file_path="a.txt", content="one\n", _agent_state=state)
    await run(Write(backend), file_path="a.txt", content="two\n", _agent_state=state)
    await edit("a.txt", "two", "three")
    await edit("a.txt", "three", "four")

    assert (workspace / "a.txt").read_text() == "four\n"


@pytest.mark.parametrize("mode", [0o755, 0o600])
async def test_the_mode_stays(workspace, backend, state, mode):
    path = workspace / "run.sh"
    path.write_text("old\n")
    path.chmod(mode)
    await run(Read(backend), file_path="run.sh", _agent_state=state)

    await run(Edit(backend), file_path="run.sh", old_string="old", new_string="newer", _agent_state=state)
    await run(Write(backend), file_path="run.sh", content="newest", _agent_state=state)

    assert path.read_text() == "newest"
    assert stat.S_IMODE(path.stat().st_mode) == mode


async def test_a_directory_is_not_written(workspace, backend, state):
    (workspace / "src").mkdir()

    assert "is a directory" in await refusal(Write(backend), file_path="src", content="", _agent_state=state)


async def test_an_edit_leaves_every_other_byte_alone(workspace, read, edit):
    path = workspace / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ncaf\xe9\r\nthree\nlast")
    await read("a.txt")

    chunk = await edit("a.txt", "one", "two")

    assert chunk.state == "success"
    assert path.read_bytes() == b"\xef\xbb\xbftwo\r\ncaf\xe9\r\nthree\nlast"


@pytest.mark.parametrize(
    "case",
    [
        (b"a\r\nb\r\nc", "a\nb\n", "x\ny\nz\n", b"x\r\ny\r\nz\r\nc"),
        (b"a\r\nb\r\n", "b", "x\ny", b"a\r\nx\r\ny\r\n"),
        (b"a\nb\n", "a\r\nb", "x\r\ny", b"x\ny\n"),
        (b"a\r\nb\r\nc\nd\n", "c\nd", "x\ny", b"a\r\nb\r\nx\ny\n"),
        (b"a\nb", "\nb", "", b"a"),
        ("ä\r\nß".encode(), "ä\nß", "ö", "ö".encode()),
    ],
)
async def test_line_ends_are_those_of_the_file(workspace, read, edit, case):
    before, old, new, after = case
    (workspace / "a.txt").write_bytes(before)
    await read("a.txt")

    await edit("a.txt", old, new)

    assert (workspace / "a.txt").read_bytes() == after


async def test_the_metadata_of_an_edit_tell_what_changed(workspace, read, edit):
    (workspace / "a.txt").write_text("".join(f"{number}\n" for number in range(1, 21)))
    await read("a.txt")

    chunk = await edit("a.txt", "10\n", "ten\n")

    assert chunk.metadata == {
        "diff": "--- a.txt\n+++ a.txt\n@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n",
        "file_path": str(workspace / "a.txt"),
        "occurrences": 1,
    }


async def test_more_than_one_occurrence_needs_replace_all(workspace, read, edit):
    path = workspace / "a.txt"
    path.write_text("x\ny\nx\n")
    await read("a.txt")

    refused = await edit("a.txt", "x", "z")
    unchanged = path.read_text()
    chunk = await edit("a.txt", "x", "z", replace_all=True)

    assert refused.state == "error"
    assert "2 times, from lines 1, 3" in text(refused)
    assert unchanged == "x\ny\nx\n"
    assert path.read_text() == "z\ny\nz\n"
    assert chunk.metadata["occurrences"] == 2


@pytest.mark.parametrize(
    "case",
    [
        ("same", "same", "are the same"),
        ("", "x", "is empty"),
        ("absent", "x", "Read the file again"),
        ("     2\ttwo words", "x", "Leave out the line numbers"),
        ("two\twords", "x", "other white space"),
        ("caf\ufffd", "x", "not UTF-8"),
    ],
)
@pytest.mark.parametrize("replace_all", [True, False])
async def test_an_edit_that_cannot_be_made_says_why(workspace, read, edit, case, replace_all):
    old, new, words = case
    (workspace / "a.txt").write_bytes(b"one\ntwo words\ncaf\xe9")
    await read("a.txt")

    chunk = await edit("a.txt", old, new, replace_all=replace_all)

    assert chunk.state == "error"
    assert words in text(chunk)
    assert (workspace / "a.txt").read_bytes() == b"one\ntwo words\ncaf\xe9"


async def test_a_file_that_is_gone_is_not_edited(workspace, read, edit):
    (workspace / "a.txt").write_text("x")
    await read("a.txt")
    (workspace / "a.txt").unlink()

    assert "does not exist" in text(await edit("a.txt", "x", "y"))
