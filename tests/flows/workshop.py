"""``agentsvc serve`` with tools that ask, and tools that the client carries out: see ``tests/fakes/tools.py``.

What was done is in the file ``tools`` of the data directory.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentsvc import cli, server, telemetry
from agentsvc.agent.tool import ToolBase
from agentsvc.app import create_app
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.settings import Settings
from tests.fakes.tools import tools_that_write_to

TRACE = "tools"


def app() -> Any:
    """The app of each worker."""
    settings = Settings.from_runtime(os.environ)
    telemetry.configure(settings.log.level, settings.log.format)
    made = tools_that_write_to(Path(settings.data_dir) / TRACE)

    async def tools(_: OwnerId, __: AgentId, ___: SessionId) -> Sequence[ToolBase]:
        return made

    return create_app(settings=settings, extra_agent_tools=tools)


if __name__ == "__main__":
    server.APP = "tests.flows.workshop:app"
    cli.main()
