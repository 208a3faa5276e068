"""What the pages for people say: their blocks of code, and what is shown to come of them."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK = "<<<the end of a block>>>"


def blocks(page: str, language: str) -> list[str]:
    return [text for found, text in _blocks(page) if found == language]


def examples(page: str) -> list[tuple[str, str | None]]:
    """Each block of shell lines with the output that is shown below it."""
    found: list[tuple[str, str | None]] = []
    for language, text in _blocks(page):
        if language == "sh":
            found.append((text, None))
        elif language == "text":
            found[-1] = (found[-1][0], text)
    return found


def script(page: str) -> str:
    """All shell lines of a page, with a mark after each block."""
    return "\n".join(f"{lines}\necho; echo '{_MARK}'" for lines, _ in examples(page))


def check(page: str, output: str) -> None:
    """What the script said is what the page shows, with anything for each ellipsis."""
    for (lines, shown), said in zip(examples(page), output.split(_MARK)[:-1], strict=True):
        assert shown is None or _agrees(said, shown), f"{lines}\n--- shown\n{shown}\n--- said\n{said}"


def _blocks(page: str) -> list[tuple[str, str]]:
    return _BLOCK.findall((ROOT / page).read_text())


def _agrees(said: str, shown: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, said.strip(), re.DOTALL) is not None
