"""``/credential``: keys to the providers of models."""

from typing import Any

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from agentsvc.domain.credentials import CredentialIn, CredentialView
from agentsvc.domain.ids import CredentialId, NewId
from agentsvc.http.attempts import Attempt
from agentsvc.http.documents import of_owner, refusals
from agentsvc.http.identity import UserId
from agentsvc.http.parameters import LIMIT, Cursor, ExpectedVersion, Limit
from agentsvc.services.credentials import Credentials


class CredentialList(Struct, frozen=True, kw_only=True):
    credentials: list[CredentialView]
    total: int
    next_cursor: str | None


class CredentialCreated(Struct, frozen=True, kw_only=True):
    credential_id: CredentialId


class CredentialSchemas(Struct, frozen=True, kw_only=True):
    schemas: list[dict[str, Any]]


class CredentialSchemaController(Controller):
    """Needs no user."""

    path = "/credential"
    tags = ("credentials",)

    @get("/schemas", operation_id="get_credential_schemas", summary="The forms of credentials", responses=refusals())
    async def schemas(self, credentials: NamedDependency[Credentials]) -> CredentialSchemas:
        """A JSON Schema for each kind of credential."""
        return CredentialSchemas(schemas=credentials.schemas())


class CredentialController(Controller):
    path = "/credential"
    tags = ("credentials",)

    @get("/", operation_id="list_credentials", summary="List credentials", responses=of_owner())
    async def page(
        self,
        user_id: UserId,
        credentials: NamedDependency[Credentials],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> CredentialList:
        """The user's credentials, newest first, without their secrets."""
        page = await credentials.page(user_id, limit, cursor)
        return CredentialList(credentials=page.items, total=page.total, next_cursor=page.next_cursor)

    @post("/", operation_id="create_credential", summary="Create a credential", responses=of_owner(409, body=True))
    async def create(
        self,
        user_id: UserId,
        credentials: NamedDependency[Credentials],
        attempt: NamedDependency[Attempt],
        data: JSONBody[CredentialIn],
    ) -> CredentialCreated:
        """Keep a credential. Its secrets are sealed and never come out again."""

        async def create(new_id: NewId) -> CredentialCreated:
            created = await credentials.create(user_id, data.data, new_id)
            return CredentialCreated(credential_id=CredentialId(created.id))

        return await attempt.carry_out(create, CredentialCreated)

    @get("/{credential_id:str}", operation_id="get_credential", summary="Get a credential", responses=of_owner(404))
    async def show(
        self, user_id: UserId, credentials: NamedDependency[Credentials], credential_id: FromPath[CredentialId]
    ) -> CredentialView:
        return await credentials.get(user_id, credential_id)

    @patch(
        "/{credential_id:str}",
        operation_id="update_credential",
        summary="Replace a credential",
        responses=of_owner(404, 409, body=True),
    )
    async def update(
        self,
        user_id: UserId,
        credentials: NamedDependency[Credentials],
        credential_id: FromPath[CredentialId],
        expected_version: ExpectedVersion,
        data: JSONBody[CredentialIn],
    ) -> CredentialView:
        """Replace a credential; a secret that comes as its mask, or not at all, stays."""
        return await credentials.update(user_id, credential_id, data.data, expected_version)

    @delete(
        "/{credential_id:str}", operation_id="delete_credential", summary="Delete a credential", responses=of_owner(404)
    )
    async def remove(
        self, user_id: UserId, credentials: NamedDependency[Credentials], credential_id: FromPath[CredentialId]
    ) -> None:
        await credentials.delete(user_id, credential_id)
