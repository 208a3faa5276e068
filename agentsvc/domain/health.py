"""Health: whether this process can do its work."""

from typing import Literal

from msgspec import Struct

Condition = Literal["ok", "not_ready"]


class Health(Struct, frozen=True, kw_only=True):
    """``components`` says which part does not work. Clients are not to rely on their names."""

    status: Condition
    version: str
    components: dict[str, Condition] = {}
