"""Credentials: a provider and the secrets to reach it. Secrets go in and never come out."""

from typing import Any

from msgspec import Struct

from agentsvc.domain.records import Record


class CredentialRecord(Record, frozen=True, kw_only=True):
    """The stored form: ``data`` holds the public fields, ``sealed`` the secret ones, encrypted (base64)."""

    type: str
    name: str
    data: dict[str, Any]
    sealed: str | None = None


class CredentialIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``data.type`` names the provider; the rest follows its schema (``GET /credential/schemas``)."""

    data: dict[str, Any]


class CredentialView(Record, frozen=True, kw_only=True):
    """``data`` holds id, type, name and the provider's fields; a secret that is set reads ``**********``."""

    data: dict[str, Any]
    editable: bool = True
