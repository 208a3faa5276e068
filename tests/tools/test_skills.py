"""Skills in the files of a workspace."""

import logging
import os
from pathlib import Path

import pytest

from agentsvc.agent.backend import FileData
from agentsvc.agent.skills import Skill
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain.states import AgentState
from agentsvc.tools.skills import BackendSkillLoader
from agentsvc.workspaces.local import LocalBackend


class Counting(LocalBackend):
    """Remembers what was read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []

    async def read(self, path: str, *, offset: int = 0, limit: int | None = None) -> FileData:
        self.reads.append(os.path.relpath(path, self.root))
        return await super().read(path, offset=offset, limit=limit)


@pytest.fixture
def backend(workspace):
    return Counting(workspace)


def put(directory: Path, name: str, body: str = "Body.") -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "SKILL.md").write_text(f"---\nname: {name}\ndescription: About {name}.\n---\n{body}\n")


async def names(loader: BackendSkillLoader) -> list[str]:
    return [skill.name for skill in await loader.list_skills()]


async def test_skills_are_found_in_the_directory_and_below_it(workspace, backend):
    put(workspace / "skills", "all")
    put(workspace / "skills/b/deep", "deep")
    put(workspace / "skills/a", "a")
    put(workspace / "skills/.git", "hidden")
    put(workspace / "other", "other")

    assert await names(BackendSkillLoader(backend, "skills")) == ["all", "a", "deep"]
    assert await names(BackendSkillLoader(backend, "skills", scan_subdir=False)) == ["all"]
    assert await names(BackendSkillLoader(backend, "nowhere")) == []
    assert await names(BackendSkillLoader(backend, "skills/SKILL.md")) == []


async def test_a_skill_knows_where_it_lies(workspace, backend):
    put(workspace / "skills/a", "chess", "# Play")

    assert await BackendSkillLoader(backend, "skills").list_skills() == [
        Skill(name="chess", description="About chess.", dir=str(workspace / "skills/a"), markdown="# Play")
    ]


async def test_a_file_is_read_again_only_when_it_has_changed(workspace, backend):
    put(workspace / "skills/a", "a")
    put(workspace / "skills/b", "b")
    loader = BackendSkillLoader(backend, "skills")

    await loader.list_skills()
    await loader.list_skills()
    assert backend.reads == ["skills/a/SKILL.md", "skills/b/SKILL.md"]

    put(workspace / "skills/b", "better")
    put(workspace / "skills/c", "c")
    assert await names(loader) == ["a", "better", "c"]
    assert backend.reads[2:] == ["skills/b/SKILL.md", "skills/c/SKILL.md"]

    (workspace / "skills/a/SKILL.md").unlink()
    assert await names(loader) == ["better", "c"]


async def test_a_file_that_is_no_skill_is_left_out_with_one_warning(workspace, backend, caplog):
    put(workspace / "skills/good", "good")
    (workspace / "skills/bad").mkdir()
    (workspace / "skills/bad/SKILL.md").write_text("---\nname: bad\n---\n")
    loader = BackendSkillLoader(backend, "skills")

    assert await names(loader) == ["good"]
    assert await names(loader) == ["good"]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "skills/bad/SKILL.md" in record.getMessage()
    assert "'description'" in record.getMessage()

    put(workspace / "skills/bad", "mended")
    assert await names(loader) == ["mended", "good"]


async def test_links_are_not_followed(workspace, backend):
    put(workspace / "elsewhere", "secret")
    (workspace / "skills/a").mkdir(parents=True)
    (workspace / "skills/b").symlink_to(workspace / "elsewhere")
    (workspace / "skills/a/SKILL.md").symlink_to(workspace / "elsewhere/SKILL.md")

    assert await names(BackendSkillLoader(backend, "skills")) == []


async def test_a_wide_tree_is_not_searched_without_end(workspace, backend, caplog):
    for number in range(1_001):
        (workspace / f"skills/{number:04}").mkdir(parents=True)
    put(workspace / "skills/0000", "first")
    put(workspace / "skills/1000", "last")

    assert await names(BackendSkillLoader(backend, "skills")) == ["first"]
    assert "1000 directories" in caplog.text


async def test_a_backend_that_is_gone_leaves_the_skills_out_of_the_turn(workspace, backend, caplog):
    class Gone(Counting):
        async def list(self, path):
            raise ConnectionError("the sandbox is gone")

    tools = await Toolkit(skills=[BackendSkillLoader(Gone(workspace), "skills")]).snapshot(AgentState(session_id="s1"))

    assert tools.skills == ""
    assert "the sandbox is gone" in caplog.text


async def test_a_change_on_disk_is_seen_in_the_next_turn(workspace, backend):
    put(workspace / "skills/a", "a")
    kit = Toolkit(skills=[BackendSkillLoader(backend, "skills")])
    state = AgentState(session_id="s1")
    first = await kit.snapshot(state)

    put(workspace / "skills/b", "b")

    assert await kit.snapshot(state) is first
    kit.refresh()
    assert "About b." in (await kit.snapshot(state)).skills
