"""The README is true: its shell lines run as they stand, its Python is an app."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import ROOT, blocks, check, script
from tests.fakes.openai_server import OpenAIServer, words
from tests.service import Service, message, serving, user_of


@pytest.fixture
def service(redis_url: str) -> Iterator[Service]:
    with serving(redis_url, "--workspaces", "local") as running:
        yield running


async def shell(lines: str, **environment: str) -> str:
    """What the lines say; they must succeed."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        lines,
        cwd=ROOT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_the_shell_lines_chat_with_the_demo_and_with_a_provider(service: Service) -> None:
    lines = script("README.md").replace("http://127.0.0.1:8000", service.url)
    await service.ready()
    async with OpenAIServer() as provider, user_of(service, "ada") as ada:
        said = await shell(f"{lines}\necho ids $AGENT $SESSION", OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=provider.url)
        agent_id, session_id = said.split()[-2:]
        provider.script(*words("Hello from a script"))
        body = {"agent_id": agent_id, "session_id": session_id, "input": message("hi")}
        started = await ada.ask("POST", "/chat/", body)
        headers = {"x-user-id": "ada"}
        path = f"/sessions/{session_id}/stream?agent_id={agent_id}&after=0"
        async with ada.client.stream("GET", path, headers=headers) as stream:
            async for line in stream.aiter_lines():
                if "REPLY_END" in line:
                    break

    check("README.md", said)
    assert '"status":"started"' in said
    assert "[demo]" in said
    assert said.count('"REPLY_START"') == 1
    assert '"stream_resumed"' in said
    assert "\nid: 11\n" in said
    assert started.status_code == 200
    assert provider.requests[0].headers["authorization"] == "Bearer sk-test"


def test_the_python_is_an_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTSVC_DATA_DIR", str(tmp_path))
    (source,) = blocks("README.md", "python")
    names: dict[str, object] = {}

    exec(source, names)  # noqa: S102 - our own README

    app = names["app"]
    assert "/agents/chat" in {route.path for route in app.routes}  # type: ignore[attr-defined]
