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

from agentsvc.workspaces.sandbox import choose_sandbox
from tests.service import free_port

DOCS = Path(__file__).parent.parent / "docs"
PAGES = ("approvals", "context", "permissions", "workspaces")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = "<<<the end of a block>>>"
_PATH = "/usr/local/bin:/usr/bin:/bin"
_SERVE = (sys.executable, "-m", "agentsvc", "serve")
_APP = (sys.executable, "-m", "granian", "--interface", "asgi", "app:app")


def blocks(page: str, language: str) -> list[str]:
    return [text for found, text in _BLOCK.findall((DOCS / f"{page}.md").read_text()) if found == language]


def examples(page: str) -> list[tuple[str, str | None]]:
    """Each block of shell lines with the output that is shown below it."""
    found: list[tuple[str, str | None]] = []
    for language, text in _BLOCK.findall((DOCS / f"{page}.md").read_text()):
        if language == "sh":
            found.append((text, None))
        elif language == "text":
            found[-1] = (found[-1][0], text)
    return found


def agrees(said: str, shown: str) -> bool:
    """Whether this was said, with anything for each ellipsis."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, said.strip(), re.DOTALL) is not None


@contextmanager
def running(directory: Path, command: tuple[str, ...]) -> Generator[str]:
    """The service as somebody has it who tries it: with a Redis of its own. It must have nothing to complain of."""
    port, log = free_port(), directory / "log"
    variables = {"PATH": _PATH, "AGENTSVC_DATA_DIR": str(directory / "data"), "PYTHONPATH": str(DOCS.parent)}
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


def outputs(page: str, directory: Path, url: str) -> list[str]:
    """What the lines of a page say, block by block; all must succeed."""
    helpers = (DOCS / "api.sh").read_text()
    script = "\n".join(f"{lines}\necho; echo '{_MARK}'" for lines, _ in examples(page))
    variables = {"PATH": _PATH, "API": url, "AGENTSVC_DATA_DIR": str(directory / "data")}
    ended = subprocess.run(
        ["/bin/bash", "-eu", "-o", "pipefail", "-c", f"{helpers}\n{script}"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout.split(_MARK)[:-1]


def check(page: str, directory: Path, url: str) -> None:
    for (lines, shown), said in zip(examples(page), outputs(page, directory, url), strict=True):
        assert shown is None or agrees(said, shown), f"{lines}\n--- shown\n{shown}\n--- said\n{said}"


@pytest.fixture(autouse=True)
def shell() -> None:
    """The pages show Bash, which is there only where commands can be confined."""
    if not choose_sandbox().confined:
        pytest.skip("commands cannot be confined on this machine")


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_the_service_says(page: str, tmp_path: Path) -> None:
    with running(tmp_path, _SERVE) as url:
        check(page, tmp_path, url)


def test_the_tools_of_a_page_are_an_app_that_says_what_is_shown(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("\n".join(blocks("tools", "python")))

    with running(tmp_path, _APP) as url:
        check("tools", tmp_path, url)


async def test_the_manager_of_a_page_gives_each_session_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTSVC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    (source,) = blocks("workspaces", "python")

    exec(source, names)  # noqa: S102 - our own page
    manager = names["OnePerSession"]("workspaces")
    places = [await manager.get_workspace("ada", "bob", session) for session in ("one", "two")]

    assert len({place.backend.root for place in places}) == 2
    assert all(place.backend.sandbox.network for place in places)
    assert "/chat" in {route.path for route in names["app"].routes}


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in DOCS.glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    path = DOCS.parent / page
    for target, anchor in re.findall(r"\]\((?!http)([^)#\s]*)(?:#([^)\s]*))?\)", path.read_text()):
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The names that headings have on a page, as hosts of Markdown make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
