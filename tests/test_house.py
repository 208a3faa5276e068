"""The house stands: a break of a floor is noticed, and every room has its tests."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("agent", "bus", "domain", "http", "kv", "models", "runs", "services", "storage", "workers")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run([program, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("domain/ids.py", "import agentsvc.agent.loop", "A floor imports only the floors below it"),
        ("bus/log.py", "import agentsvc.storage.store", "rooms beside each other never meet"),
        ("http/chat.py", "import agentsvc.bus.log", "A controller knows services"),
        ("services/chat.py", "import litestar", "Litestar only in http"),
        ("bus/keys.py", "import redis", "Redis only in kv"),
        ("helpers.py", "", "helpers"),
    ],
)
def test_a_break_of_a_floor_is_noticed(tmp_path: Path, room: str, line: str, contract: str) -> None:
    shutil.copytree(ROOT / "agentsvc", tmp_path / "agentsvc", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "agentsvc" / room).open("a") as file:
        file.write(f"\n{line}\n")

    checked = lint_imports(tmp_path)

    assert checked.returncode != 0
    assert contract in checked.stdout + checked.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_its_tests(room: str) -> None:
    assert list((ROOT / "tests" / room).glob("test_*.py"))
