"""Commands for the judge: a corpus of them, and what the permission engine makes of one."""

from pathlib import Path, PurePosixPath

from agentsvc.agent.backend import BackendBase
from agentsvc.agent.permissions import Decision, decide
from agentsvc.domain.permissions import PermissionBehavior, PermissionContext, PermissionMode, PermissionRule
from agentsvc.tools.paths import Place, is_below, normal
from agentsvc.tools.sensitive import DANGEROUS, SECRET
from agentsvc.tools.shell.examination import ShellExamination
from agentsvc.tools.shell.examine import examine
from agentsvc.tools.shell.parse import parse
from agentsvc.tools.shell.plan import paths_of
from agentsvc.tools.shell.survey import Facts

ROOT = "/work/repository"
_CORPUS = Path(__file__).parent / "corpus"


def corpus(name: str) -> list[str]:
    """One command a line, just as it stands."""
    return [line for line in (_CORPUS / f"{name}.txt").read_text().split("\n") if line]


def escaped() -> list[str]:
    """Commands with control characters, which the file holds as escape codes."""
    lines = corpus("escaped")
    return [line.encode("latin-1", "backslashreplace").decode("unicode_escape") for line in lines]


def evil() -> list[str]:
    return [*corpus("harmful"), *corpus("obfuscated"), *escaped()]


def rules(
    *,
    mode: PermissionMode = "default",
    allow: tuple[str, ...] = (),
    deny: tuple[str, ...] = (),
    ask: tuple[str, ...] = (),
) -> PermissionContext:
    def filed(behavior: PermissionBehavior, contents: tuple[str, ...]) -> dict[str, list[PermissionRule]]:
        return {
            "Bash": [
                PermissionRule(tool_name="Bash", rule_content=content, behavior=behavior, source="test")
                for content in contents
            ]
        }

    return PermissionContext(
        mode=mode, allow_rules=filed("allow", allow), deny_rules=filed("deny", deny), ask_rules=filed("ask", ask)
    )


async def judged(backend: BackendBase, command: str, context: PermissionContext | None = None) -> Decision:
    context = context or PermissionContext()
    return decide("Bash", await examine(command, backend, context), context)


def guessed(command: str, context: PermissionContext | None = None) -> Decision:
    """The same for a directory without links, where names tell everything."""
    context = context or PermissionContext()
    script = parse(command)
    facts: Facts = {use: (_place(use.path),) for use in paths_of(script) if not use.pattern or use.role == "write"}
    return decide("Bash", ShellExamination(script, context.mode, facts, ROOT), context)


def _place(path: str) -> Place:
    named = normal(path.replace("~", "/root", 1) if path.startswith("~") else path, ROOT)
    secret = SECRET.hold(named) or "proc" in PurePosixPath(named).parts
    return Place(
        named=named,
        real=named,
        inside=is_below(named, [ROOT]),
        dangerous=secret or DANGEROUS.hold(named),
        secret=secret,
    )
