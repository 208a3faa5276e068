"""Credentials: what is secret is sealed, and what stays is what was not sent."""

from typing import Any

import pytest

from agentsvc.domain.errors import Conflict, Invalid, NotFound
from agentsvc.domain.ids import CredentialId
from agentsvc.services.credentials import Credentials, free_name, opened
from tests.services.conftest import ADA, BEA

KEY = "sk-canary-4711"
OPENAI = {"type": "openai_credential", "api_key": KEY}


async def test_the_secret_is_only_in_the_seal(credentials: Credentials):
    created = await credentials.create(ADA, {**OPENAI, "organization": "org"})

    record = await credentials.storage.of(ADA).credentials.get(created.id)

    assert created.data == record.data
    assert record.data["api_key"] == "**********"
    assert record.data["organization"] == "org"
    assert record.sealed is not None
    assert KEY not in repr(record)
    assert opened(credentials.vault, record) == {"api_key": KEY}


async def test_record_and_secrets_make_the_credential_again(credentials: Credentials):
    created = await credentials.create(ADA, {**OPENAI, "base_url": "https://a.example/v1"})
    record = await credentials.storage.of(ADA).credentials.get(created.id)

    credential = credentials.factory.parse({**record.data, **opened(credentials.vault, record)})

    assert credentials.factory.split(credential)[1] == {"api_key": KEY}
    assert credential.id == created.id


@pytest.mark.parametrize("sent", [{}, {"api_key": "**********"}])
async def test_an_unsent_secret_stays_and_all_else_is_replaced(credentials: Credentials, sent: dict[str, str]):
    created = await credentials.create(ADA, {**OPENAI, "name": "Mine", "organization": "org"})

    changed = await credentials.update(ADA, CredentialId(created.id), {"type": "openai_credential", **sent})

    record = await credentials.storage.of(ADA).credentials.get(created.id)
    assert changed.version == 2
    assert changed.data["name"] == "Mine"
    assert changed.data["organization"] is None
    assert opened(credentials.vault, record) == {"api_key": KEY}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"type": None},
        {"type": ["openai_credential"]},
        {"type": "nobody", "api_key": KEY},
        {"type": "openai_credential", "api_key": ""},
        {"type": "openai_credential", "api_key": "**********"},
        {**OPENAI, "id": ""},
        {**OPENAI, "id": "a/b"},
        {**OPENAI, "id": "x" * 129},
        {**OPENAI, "name": 3},
        {**OPENAI, KEY: 3},
    ],
)
async def test_what_cannot_be_accepted_is_not_kept(credentials: Credentials, data: dict[str, object]):
    with pytest.raises(Invalid) as invalid:
        await credentials.create(ADA, data)

    assert invalid.value.problems
    assert KEY not in str([problem.message for problem in invalid.value.problems])
    assert (await credentials.page(ADA, 10)).total == 0


async def test_a_change_that_cannot_be_accepted_changes_nothing(credentials: Credentials):
    created = await credentials.create(ADA, OPENAI)

    refused: list[dict[str, Any]] = [{"type": "nobody"}, {"type": {}}, {**OPENAI, "organization": 3}]
    for data in refused:
        with pytest.raises(Invalid):
            await credentials.update(ADA, CredentialId(created.id), data)

    assert (await credentials.get(ADA, CredentialId(created.id))).version == 1


async def test_an_id_is_taken_once_by_each_owner(credentials: Credentials):
    await credentials.create(ADA, {**OPENAI, "id": "mine"})
    await credentials.create(BEA, {**OPENAI, "id": "mine"})

    with pytest.raises(Conflict):
        await credentials.create(ADA, {**OPENAI, "id": "mine"})


async def test_another_owner_has_no_way_to_it(credentials: Credentials):
    credential_id = CredentialId((await credentials.create(ADA, OPENAI)).id)

    for attempt in (
        credentials.get(BEA, credential_id),
        credentials.update(BEA, credential_id, OPENAI),
        credentials.delete(BEA, credential_id),
    ):
        with pytest.raises(NotFound):
            await attempt

    assert (await credentials.get(ADA, credential_id)).version == 1


@pytest.mark.parametrize(
    ("taken", "name"),
    [([], "X"), (["Y"], "X"), (["X"], "X (2)"), (["X", "X (2)", "X (4)"], "X (3)"), (["X (2)"], "X")],
)
def test_a_free_name_is_the_first_that_is_free(taken: list[str], name: str):
    assert free_name("X", taken) == name
