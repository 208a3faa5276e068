"""The form in which the harmless uses of a program are written down."""

from collections.abc import Mapping

from msgspec import Struct

from agentsvc.tools.shell.script import Role

ANYTHING = r"(?s:.*)"


class Operands(Struct, frozen=True, kw_only=True):
    """What may follow the options.

    The first ``leading`` ones are data, unless an option of ``instead`` is given; the others are paths used as ``role``
    says, or data too where that is None. Data must match ``data`` in full, paths ``shape``. ``last``: how the last path
    is used, where that differs. ``carried``: what else is done with the others. ``default``: the path that is meant
    when none is named. ``revisions``: a path may follow a colon.
    """

    role: Role | None = "read"
    last: Role | None = None
    carried: Role | None = None
    leading: int = 0
    instead: frozenset[str] = frozenset()
    data: str = ANYTHING
    shape: str = ANYTHING
    minimum: int = 0
    maximum: int | None = None
    default: str | None = None
    revisions: bool = False


class Program(Struct, frozen=True, kw_only=True):
    """The options that are known to do no harm, and the shape of the operands. Nothing else is.

    ``flags`` take no value, ``values`` one that must match in full, ``optional`` one only if it is glued on.
    ``paths``: options whose value is a path. ``deep``: options that make everything below an operand be read.
    ``required``: one of these must be there. ``clusters``: ``-abc`` is ``-a -b -c``. ``numbers``: ``-5`` is an option.
    ``bold``: not even an option that is not listed does harm, so names of files may look like options.
    ``raw``: there are no options at all.
    """

    flags: frozenset[str] = frozenset()
    values: Mapping[str, str] = {}
    optional: frozenset[str] = frozenset()
    paths: Mapping[str, Role] = {}
    deep: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    operands: Operands = Operands()
    clusters: bool = True
    numbers: bool = False
    bold: bool = False
    raw: bool = False


class Family(Struct, frozen=True, kw_only=True):
    """A program with subcommands of one or two words, and the options that may stand before them."""

    subcommands: Mapping[str, Program]
    before: frozenset[str] = frozenset()
    here: bool = False
    """Files of the working directory decide what it runs, so it is known only where the session works."""


def program(
    flags: str = "",
    operands: Operands | None = None,
    *,
    values: str | Mapping[str, str] = "",
    optional: str = "",
    deep: str = "",
    required: str = "",
    paths: Mapping[str, Role] | None = None,
    clusters: bool = True,
    numbers: bool = False,
    bold: bool = False,
    raw: bool = False,
) -> Program:
    """A program from words; a value that is only named may be anything."""
    named = dict.fromkeys(values.split(), ANYTHING) if isinstance(values, str) else dict(values)
    return Program(
        flags=frozenset((flags + " " + deep).split()),
        values={**dict.fromkeys(paths or {}, ANYTHING), **named},
        optional=frozenset(optional.split()),
        paths=paths or {},
        deep=frozenset(deep.split()),
        required=frozenset(required.split()),
        operands=operands or Operands(),
        clusters=clusters,
        numbers=numbers,
        bold=bold,
        raw=raw,
    )


NOTHING = Operands(role=None, maximum=0)
DATA = Operands(role=None)
LISTED = Operands(role="list", default=".")
