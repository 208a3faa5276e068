"""Programs that change files and do nothing else, in the forms whose every path is known."""

from agentsvc.tools.shell.programs.spec import Operands, Program, program
from agentsvc.tools.shell.programs.texts import SED
from agentsvc.tools.shell.script import Role

_WRITTEN = Operands(role="write", minimum=1)
_INTO: dict[str, Role] = {"-t": "write", "--target-directory": "write"}

EDITS: dict[str, Program] = {
    "mkdir": program("-p -v --parents --verbose", _WRITTEN, values={"-m": "[0-7]{3,4}", "--mode": "[0-7]{3,4}"}),
    "touch": program(
        "-a -c -m --no-create", _WRITTEN, values="-d -t --date", paths={"-r": "list", "--reference": "list"}
    ),
    "rm": program("-f -i -I -v -d --force --verbose --dir", _WRITTEN),
    "rmdir": program("-v --verbose", _WRITTEN),
    "mv": program(
        "-f -i -n -u -v --force --no-clobber --verbose --update",
        Operands(role="write", last="write", carried="tree", minimum=1),
        paths=_INTO,
    ),
    "cp": program(
        "-f -i -n -p -u -v --force --no-clobber --verbose --update",
        Operands(role="read", last="write", minimum=1),
        paths=_INTO,
        deep="-r -R -a --recursive --archive",
    ),
    "tee": program("-a -i --append", _WRITTEN),
    "sed": program(
        "-n -E -r -s -u -z -i --in-place --quiet --silent --regexp-extended",
        Operands(role="write", leading=1, instead=frozenset({"-e", "--expression"}), data=SED, minimum=1),
        values={"-e": SED, "--expression": SED},
        required="-i --in-place",
        clusters=False,
    ),
}

MOVING = frozenset({"mv", "cp"})
"""What they move may hold symbolic links, so that a later path is not what it was when it was judged."""

TARGET_OPTIONS = frozenset(_INTO)
