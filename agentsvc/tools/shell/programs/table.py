"""All programs whose harmless uses are known."""

from agentsvc.tools.shell.programs import development, files, system, texts
from agentsvc.tools.shell.programs.edits import EDITS
from agentsvc.tools.shell.programs.spec import Family, Program

READERS: dict[str, Program | Family] = {
    **files.PROGRAMS,
    **texts.PROGRAMS,
    **system.PROGRAMS,
    **development.PROGRAMS,
}

EDITORS: dict[str, Program] = EDITS
