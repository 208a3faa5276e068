"""The pages under docs are true: their shell lines run as they stand and say what is shown, their Python is an app."""

import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from agentsvc.cli import main
from agentsvc.workspaces.sandbox import choose_sandbox
from tests.documents import ROOT, blocks, check, script
from tests.service import KEY, free_port

PAGES = tuple(f"docs/{name}.md" for name in ("approvals", "chat", "context", "permissions", "runs", "workspaces"))

_PATH = "/usr/local/bin:/usr/bin:/bin"
_SERVE = (sys.executable, "-m", "agentsvc", "serve")
_APP = (sys.executable, "-m", "granian", "--interface", "asgi", "app:app")


@contextmanager
def running(directory: Path, command: tuple[str, ...]) -> Generator[str]:
    """The service as somebody has it who tries it: with a Redis of its own. It must have nothing to complain of."""
    port, log = free_port(), directory / "log"
    variables = {"PATH": _PATH, "AGENTSVC_DATA_DIR": str(directory / "data"), "PYTHONPATH": str(ROOT)}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, "--port", str(port)], cwd=directory, env=variables, stdout=sink, stderr=sink
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in log.read_text()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health/ready", trust_env=False, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the service is not ready: {log.read_text()}")


def run(page: str, directory: Path, url: str, **more: str) -> None:
    """All lines of a page must succeed, and say what it shows."""
    helpers = (ROOT / "docs" / "api.sh").read_text()
    variables = {"PATH": _PATH, "API": url, "AGENTSVC_DATA_DIR": str(directory / "data"), **more}
    last = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"  # a page that fails leaves nothing behind
    ended = subprocess.run(
        ["/bin/bash", "-eu", "-o", "pipefail", "-c", f"{helpers}\n{last}\n{script(page)}"],
        cwd=directory,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    check(page, ended.stdout)


@pytest.fixture(autouse=True)
def shell() -> None:
    """The pages show Bash, which is there only where commands can be confined."""
    if not choose_sandbox().confined:
        pytest.skip("commands cannot be confined on this machine")


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_the_service_says(page: str, tmp_path: Path) -> None:
    with running(tmp_path, _SERVE) as url:
        run(page, tmp_path, url)


def test_a_service_with_room_for_little_says_what_its_page_shows(tmp_path: Path) -> None:
    (flags,) = commands("docs/limits.md")

    with running(tmp_path, (*_SERVE, *flags.split())) as url:
        run("docs/limits.md", tmp_path, url)


def test_an_operator_sees_what_a_page_shows(tmp_path: Path, redis_url: str) -> None:
    port = str(free_port())

    run(
        "docs/operations.md",
        tmp_path,
        f"http://127.0.0.1:{port}",
        PATH=f"{Path(sys.executable).parent}:{_PATH}",
        PYTHONPATH=str(ROOT),
        PORT=port,
        AGENTSVC_REDIS_URL=redis_url,
        AGENTSVC_SECRET_KEYS=KEY,
    )


def test_the_tools_of_a_page_are_an_app_that_says_what_is_shown(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("\n".join(blocks("docs/tools.md", "python")))

    with running(tmp_path, _APP) as url:
        run("docs/tools.md", tmp_path, url)


async def test_the_manager_of_a_page_gives_each_session_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTSVC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    (source,) = blocks("docs/workspaces.md", "python")

    exec(source, names)  # noqa: S102 - our own page
    manager = names["OnePerSession"]("workspaces")
    places = [await manager.get_workspace("ada", "bob", session) for session in ("one", "two")]

    assert len({place.backend.root for place in places}) == 2
    assert all(place.backend.sandbox.network for place in places)
    assert "/chat" in {route.path for route in names["app"].routes}


_ALL = ("README.md", *PAGES, *(f"docs/{name}.md" for name in ("doctor", "limits", "operations", "redis", "tools")))


@pytest.mark.parametrize("page", _ALL)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target, anchor in re.findall(r"\]\((?!http)([^)#\s]*)(?:#([^)\s]*))?\)", path.read_text()):
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


def commands(page: str) -> list[str]:
    """The flags of each command on a page that serves."""
    return re.findall(r"^    agentsvc serve (.+)$", (ROOT / page).read_text(), re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The names that headings have on a page, as hosts of Markdown make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["README.md", "docs/workspaces.md"])
def test_commands_have_the_flags_that_a_page_gives_them(page: str) -> None:
    ended = [
        CliRunner().invoke(main, ["check-config", *command.split()], env={"AGENTSVC_SECRET_KEYS": KEY})
        for command in commands(page)
    ]

    assert ended
    assert [(each.exit_code, each.output) for each in ended if each.exit_code] == []
