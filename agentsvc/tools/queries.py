"""What Grep is asked for, and what a search finds."""

from typing import Literal

from msgspec import Struct, field

OutputMode = Literal["content", "files_with_matches", "count"]


class Query(Struct, frozen=True, kw_only=True):
    """The arguments of Grep, under its own names for them."""

    pattern: str
    path: str = "."
    output_mode: OutputMode = "files_with_matches"
    glob: str = ""
    type: str = ""
    after: int = field(name="-A", default=0)
    before: int = field(name="-B", default=0)
    around: int = field(name="-C", default=0)
    context: int = 0
    n: bool = True
    i: bool = False
    case_insensitive: bool = False
    multiline: bool = False
    head_limit: int = 250
    offset: int = 0

    @property
    def ignores_case(self) -> bool:
        return self.i or self.case_insensitive

    @property
    def lines_before(self) -> int:
        return self.before or self.around or self.context

    @property
    def lines_after(self) -> int:
        return self.after or self.around or self.context


class Row(Struct, frozen=True):
    """A line of a file (``:`` matches, ``-`` is beside a match), or a file and its count, or a gap between lines."""

    path: str
    number: int = 0
    text: str = ""
    mark: Literal[":", "-", "gap"] = ":"


GAP = Row("", mark="gap")
