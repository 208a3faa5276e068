"""The judge of shell commands: from text, backend and context to what the permission engine is told."""

from collections.abc import Mapping

from agentsvc.agent.backend import BackendBase
from agentsvc.domain.permissions import PermissionContext
from agentsvc.tools.paths import PathJudge, Sensitivity
from agentsvc.tools.shell.examination import ShellExamination
from agentsvc.tools.shell.parse import parse
from agentsvc.tools.shell.plan import paths_of, plan
from agentsvc.tools.shell.survey import survey

ENVIRONMENT = {
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "safe.bareRepository",
    "GIT_CONFIG_VALUE_0": "explicit",
    "GIT_CONFIG_KEY_1": "core.fsmonitor",
    "GIT_CONFIG_VALUE_1": "false",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "PAGER": "cat",
}
"""What commands must be run with, so that git takes no directory for a repository that only looks like one."""


QUIET = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "NPM_CONFIG_USERCONFIG": "/dev/null",
    "PIP_CONFIG_FILE": "/dev/null",
    "PYTHONNOUSERSITE": "1",
}


def environment_of(command: str) -> Mapping[str, str]:
    """What a command must be run with. Where it may have been let pass for its known effects, nothing that lies in the
    home directory gives its programs other ones.
    """
    script = parse(command)
    steps = () if script.doubts else plan(script) or ()
    quiet = steps and all(step.effect.kind != "anything" for step in steps)
    return {**ENVIRONMENT, **QUIET} if quiet else ENVIRONMENT


async def examine(
    command: str,
    backend: BackendBase,
    context: PermissionContext,
    sensitivity: Sensitivity | None = None,
    *,
    home: str | None = None,
) -> ShellExamination:
    """Judge a command that bash runs in the root of the backend, without start-up files. Never raises for any text.

    ``home`` is the home directory of what the backend runs, where it is known.
    """
    script = parse(command)
    judge = await PathJudge.of(backend, context, sensitivity)
    facts = await survey(paths_of(script), backend, judge, home)
    return ShellExamination(script, context.mode, facts, backend.root)
