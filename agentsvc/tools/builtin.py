"""The tools of a workspace."""

from collections.abc import Sequence

from agentsvc.agent.backend import BackendBase
from agentsvc.agent.tool import ToolBase
from agentsvc.tools.bash import Bash
from agentsvc.tools.edit import Edit
from agentsvc.tools.glob import Glob
from agentsvc.tools.grep import Grep
from agentsvc.tools.paths import Sensitivity
from agentsvc.tools.read import Read
from agentsvc.tools.write import Write


def workspace_tools(
    backend: BackendBase,
    *,
    shell: bool,
    model_input_types: Sequence[str] = ("text/plain",),
    sensitivity: Sensitivity | None = None,
) -> list[ToolBase]:
    """All tools that act on a backend; Bash only with ``shell``, which is for a backend that confines what it runs.

    ``model_input_types`` are the media types that the model takes. They say what Read gives of images and PDFs.
    """
    tools: list[ToolBase] = [
        Read(backend, model_input_types=model_input_types, sensitivity=sensitivity),
        Write(backend, sensitivity=sensitivity),
        Edit(backend, sensitivity=sensitivity),
        Glob(backend, sensitivity=sensitivity),
        Grep(backend, sensitivity=sensitivity),
    ]
    return [Bash(backend, sensitivity=sensitivity), *tools] if shell else tools
