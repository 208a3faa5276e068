"""Files without an end in sight."""

from agentsvc.tools import lines
from agentsvc.tools.read import Read


async def test_lines_too_far_behind_the_start_are_not_looked_for(backend, workspace, state, monkeypatch):
    monkeypatch.setattr(lines, "FARTHEST", 1 << 20)
    with (workspace / "huge.txt").open("wb") as file:
        file.write(b"first\n" * 100_000)
        file.truncate(1 << 40)

    near = await Read(backend).call(file_path="huge.txt", limit=1, _agent_state=state)
    far = await Read(backend).call(file_path="huge.txt", offset=1_000_000, _agent_state=state)

    assert "first" in str(near.content)
    assert (far.state, "too far" in str(far.content)) == ("error", True)
