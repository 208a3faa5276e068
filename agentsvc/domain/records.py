"""What every stored record has, and a page of them."""

from typing import Any, Generic, TypeVar

from msgspec import UNSET, Struct, field

from agentsvc.domain.ids import OwnerId, new_id
from agentsvc.domain.times import now

T = TypeVar("T")


class Record(Struct, frozen=True, kw_only=True):
    """A record belongs to one user. ``version`` grows by one with each change."""

    user_id: OwnerId
    id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    version: int = 1


class Page(Struct, Generic[T], frozen=True, kw_only=True):
    """Newest first. ``next_cursor`` is null on the last page; ``total`` counts all records, not this page."""

    items: list[T]
    total: int
    next_cursor: str | None = None


def changed(changes: Struct) -> dict[str, Any]:
    """The fields that were sent."""
    return {name: value for name in changes.__struct_fields__ if (value := getattr(changes, name)) is not UNSET}
