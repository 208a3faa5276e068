"""Parameters that many routes take."""

import re
from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import HeaderParameter, QueryParameter

from agentsvc.domain.errors import Invalid, Problem

Limit = Annotated[int, QueryParameter(ge=1, le=500, description="How many to answer at most.")]
Cursor = Annotated[str | None, QueryParameter(description="The `next_cursor` of the page before.")]
LIMIT = 200

ExpectedVersion = NamedDependency[int | None]

_ETAG = re.compile(r'(?:W/)?"?([0-9]{1,15})"?')


def expected_version(
    if_match: Annotated[
        str | None,
        HeaderParameter(
            name="If-Match",
            description="Change only this version of the record.",
            schema_extra={"pattern": r'^(\*|(W/)?"?[0-9]{1,15}"?)$'},
        ),
    ] = None,
    version: Annotated[int | None, QueryParameter(description="The same as a parameter.")] = None,
) -> int | None:
    """The version that a change is meant for; none for whatever is there. Raises Invalid."""
    if if_match is None or if_match.strip() == "*":
        return version
    tag = _ETAG.fullmatch(if_match.strip())
    if tag is None:
        raise Invalid("If-Match is not a version", (Problem("If-Match", "expected the version of a record"),))
    return int(tag[1])
