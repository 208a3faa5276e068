"""Glob on real directories."""

import os

import pytest

from agentsvc.agent.tool import ToolChunk
from agentsvc.tools.glob import Glob
from tests.tools.calls import refusal, run, text


@pytest.fixture
def glob(backend):
    async def names(pattern: str, **more) -> list[str]:
        chunk: ToolChunk = await run(Glob(backend), pattern=pattern, **more)
        assert chunk.state == "success"
        return text(chunk).split("\n")

    return names


@pytest.fixture
def plant(workspace):
    def planted(*names: str) -> None:
        for age, name in enumerate(names):
            path = workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (2_000_000_000 - age, 2_000_000_000 - age))

    return planted


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.py", ["a.py", ".h.py"]),
        ("**/*.py", ["a.py", "src/b.py", "src/deep/c.py", ".h.py", ".hidden/d.py"]),
        ("**/**/*.py", ["a.py", "src/b.py", "src/deep/c.py", ".h.py", ".hidden/d.py"]),
        ("src/*", ["src/b.py", "src/e.ts"]),
        ("src/**", ["src/b.py", "src/deep/c.py", "src/e.ts"]),
        ("src/{b,e}.{py,ts}", ["src/b.py", "src/e.ts"]),
        ("src/[a-c].py", ["src/b.py"]),
        ("src/[!a-c].*", ["src/e.ts"]),
        ("?.py", ["a.py"]),
        ("a.py", ["a.py"]),
        ("src/deep/c.py", ["src/deep/c.py"]),
        (".*/*", [".hidden/d.py"]),
        ("**/deep/*", ["src/deep/c.py"]),
        ("*.rs", ["No files found."]),
    ],
)
async def test_patterns_find_files_newest_first(plant, glob, pattern, found):
    plant("a.py", "src/b.py", "src/deep/c.py", ".h.py", ".hidden/d.py", "src/e.ts")

    assert await glob(pattern) == found


async def test_the_path_says_where_to_look(workspace, plant, glob):
    plant("a.py", "src/b.py")

    assert await glob("*.py", path="src") == ["src/b.py"]
    assert await glob(f"{workspace}/src/*.py") == ["src/b.py"]
    assert await glob("*.py", path=str(workspace / "src")) == ["src/b.py"]


async def test_what_is_outside_of_the_workspace_is_refused(tmp_path, backend):
    (tmp_path / "x.py").touch()

    assert "out of the workspace" in await refusal(Glob(backend), pattern="*.py", path="..")


async def test_linked_directories_are_not_entered_and_linked_files_count(workspace, plant, glob):
    plant("src/a.py")
    (workspace / "again").symlink_to("src")
    (workspace / "loop").symlink_to(".")
    (workspace / "b.py").symlink_to("src/a.py")
    (workspace / "c.py").symlink_to("nowhere")

    assert sorted(await glob("**/*.py")) == ["b.py", "src/a.py"]


async def test_version_control_is_left_out_unless_it_is_named(plant, glob):
    plant("a", ".git/config", "sub/.git/hooks/x")

    assert await glob("**") == ["a"]
    assert await glob("*", path=".git") == [".git/config"]
    assert await glob("sub/.git/**") == ["sub/.git/hooks/x"]


async def test_five_hundred_files_are_listed_at_most(plant, glob):
    plant(*(f"{number:03d}.txt" for number in range(510)))

    lines = await glob("*.txt")

    assert lines[:500] == [f"{number:03d}.txt" for number in range(500)]
    assert lines[500:] == ["(10 older files are left out: narrow the pattern.)"]


async def test_names_that_look_like_options_or_patterns_are_names(plant, glob):
    plant("-rf", "--help", "[x].py", "a b\tc")

    assert await glob("-*") == ["-rf", "--help"]
    assert await glob("--help") == ["--help"]
    assert await glob(r"\[x\].py") == ["[x].py"]
    assert await glob("a*") == ["a b\tc"]


async def test_a_pattern_that_cannot_be_used_is_refused(backend):
    assert "cannot be used" in await refusal(Glob(backend), pattern="{1..100000}")


async def test_a_place_that_is_no_directory_is_refused(plant, backend):
    plant("a.py")

    assert await refusal(Glob(backend), pattern="*", path="nowhere") == "nowhere is no directory."
    assert await refusal(Glob(backend), pattern="*", path="a.py") == "a.py is no directory."
