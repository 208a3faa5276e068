"""Credentials: what opens a provider, sealed the moment it comes in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from agentsvc import telemetry
from agentsvc.domain.credentials import CredentialRecord, CredentialView
from agentsvc.domain.errors import Invalid, Problem
from agentsvc.domain.ids import CredentialId, NewId, OwnerId, new_id
from agentsvc.domain.records import Page
from agentsvc.models.credentials import CredentialBase, CredentialFactory
from agentsvc.storage.store import StorageBase
from agentsvc.storage.vault import Vault

_PAGE = 1000
_LONGEST_ID = 128


@dataclass(frozen=True)
class Credentials:
    """A record holds a mask in the place of each secret; the secrets themselves are sealed beside it.

    Everything raises NotFound when there is no such credential or it is somebody else's. What is wrong with what was
    sent is told without a word of it.
    """

    storage: StorageBase
    vault: Vault
    factory: CredentialFactory

    async def create(self, owner: OwnerId, data: dict[str, Any], new_id: NewId = new_id) -> CredentialView:
        """``data.type`` names the provider; an empty name is filled in.

        Without an id of its own it gets the new one, and may be there from an earlier attempt. Raises Invalid, and
        Conflict for an id of its own that is in use.
        """
        credential = self.factory.parse({"id": new_id(), **data})
        _check_id(credential.id)
        self._refuse_masks(data)
        if not credential.name:
            credential = replace(credential, name=await self._free_name(owner, credential))
        record = self._sealed(CredentialRecord(user_id=owner, id=credential.id, type="", name="", data={}), credential)
        records = self.storage.of(owner).credentials
        if "id" not in data:
            return _view(await records.create_once(record))
        await records.create(record)
        return _view(record)

    async def get(self, owner: OwnerId, credential_id: CredentialId) -> CredentialView:
        return _view(await self.storage.of(owner).credentials.get(credential_id))

    async def page(self, owner: OwnerId, limit: int, cursor: str | None = None) -> Page[CredentialView]:
        page = await self.storage.of(owner).credentials.page(limit, cursor)
        return Page(items=[_view(record) for record in page.items], total=page.total, next_cursor=page.next_cursor)

    async def update(
        self, owner: OwnerId, credential_id: CredentialId, data: dict[str, Any], version: int | None = None
    ) -> CredentialView:
        """Replace everything, but for a secret that comes as its mask or not at all, and an empty name: these stay.

        Raises Invalid, and VersionConflict when a version is given that is not the credential's.
        """

        def change(record: CredentialRecord) -> CredentialRecord:
            credential = self.factory.parse(self._completed(record, data))
            return self._sealed(record, credential)

        return _view(await self.storage.of(owner).credentials.update(credential_id, change, version))

    async def delete(self, owner: OwnerId, credential_id: CredentialId) -> None:
        """Sessions that name it can no longer run."""
        await self.storage.of(owner).credentials.delete(credential_id)

    def schemas(self) -> list[dict[str, Any]]:
        """A JSON Schema for each kind of credential, what a form is made of."""
        return self.factory.schemas()

    def _completed(self, record: CredentialRecord, data: dict[str, Any]) -> dict[str, Any]:
        """What was sent, with what stays."""
        kind = data.get("type", record.type)
        secrets = self.factory.secrets(str(kind))
        kept = opened(self.vault, record) if kind == record.type else {}
        sent = {name: value for name, value in data.items() if not (name in secrets and value == telemetry.MASK)}
        stay = {name: kept[name] for name in secrets & kept.keys() if name not in sent}
        return {**stay, **sent, "id": record.id, "type": kind, "name": data.get("name") or record.name}

    def _refuse_masks(self, data: dict[str, Any]) -> None:
        masked = [name for name in self.factory.secrets(data["type"]) if data.get(name) == telemetry.MASK]
        if masked:
            raise Invalid(
                "A secret is missing.", tuple(Problem(f"data.{name}", "expected the secret itself") for name in masked)
            )

    def _sealed(self, record: CredentialRecord, credential: CredentialBase) -> CredentialRecord:
        public, secret = self.factory.split(credential)
        _keep_out_of_logs(secret)
        masks = {name: telemetry.MASK if name in secret else None for name in self.factory.secrets(public["type"])}
        sealed = self.vault.seal(record.user_id, record.id, msgspec.json.encode(secret)) if secret else None
        return replace(record, type=public["type"], name=credential.name, data={**public, **masks}, sealed=sealed)

    async def _free_name(self, owner: OwnerId, credential: CredentialBase) -> str:
        taken: set[str] = set()
        cursor: str | None = None
        while True:
            page = await self.storage.of(owner).credentials.page(_PAGE, cursor)
            taken.update(record.name for record in page.items)
            if page.next_cursor is None:
                return free_name(credential.title.removesuffix(" API"), taken)
            cursor = page.next_cursor


def opened(vault: Vault, record: CredentialRecord) -> dict[str, Any]:
    """The secrets of a record. Together with its ``data``, over which they go, they are the whole credential.

    From now on they are masked in the log, whichever process they came in by. Raises Unsealable.
    """
    if record.sealed is None:
        return {}
    secrets: dict[str, Any] = msgspec.json.decode(vault.open(record.user_id, record.id, record.sealed))
    _keep_out_of_logs(secrets)
    return secrets


def _keep_out_of_logs(secrets: dict[str, Any]) -> None:
    for value in secrets.values():
        telemetry.secret(str(value))


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """``OpenAI``, else ``OpenAI (2)`` and so on."""
    names, number, name = set(taken), 1, wanted
    while name in names:
        number += 1
        name = f"{wanted} ({number})"
    return name


def _view(record: CredentialRecord) -> CredentialView:
    return CredentialView(
        user_id=record.user_id,
        id=record.id,
        created_at=record.created_at,
        updated_at=record.updated_at,
        version=record.version,
        data=record.data,
    )


def _check_id(credential_id: str) -> None:
    """Ids are part of paths."""
    if not 0 < len(credential_id) <= _LONGEST_ID or not credential_id.isprintable() or "/" in credential_id:
        wanted = f"expected 1 to {_LONGEST_ID} printable characters without a slash"
        raise Invalid(f"data.id: {wanted}", (Problem("data.id", wanted),))
