"""Names, headers and keys that only somebody sends who wants to break it: they are answered, and nothing breaks."""

import asyncio
import unicodedata
from typing import Any

import pytest

from agentsvc.domain.events import Custom
from tests.fakes.openai_server import OpenAIServer
from tests.service import Service, User, message, user_of


async def raw(service: Service, head: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Status and answer of a request that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write(head.replace(b"\n", b"\r\n") + b"\r\nhost: x\r\nconnection: close\r\n\r\n" + body)
        answer = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    return int(answer[9:12]), answer


@pytest.mark.parametrize(
    "name", ["x-user-id", "x-request-id", "last-event-id", "if-match", "idempotency-key", "cookie"]
)
async def test_a_header_without_end_is_refused_or_of_no_account(service: Service, mallory: User, name: str) -> None:
    head = b"GET /agent/ HTTP/1.1\nx-user-id: mallory\n%s: " % name.encode() + b"9" * 1_000_000

    status, _ = await raw(service, head)

    assert status in {200, 400, 401, 413, 422, 431}
    assert (await mallory.ask("GET", "/agent/")).status_code == 200


USERS = [
    "a",
    "a:b",
    "a%3Ab",
    "a/b",
    "a b",
    "a  b",
    "a*",
    "*",
    "?",
    "[a]",
    "{a}",
    "{o:a}",
    "{o:a}:agent",
    "a}:agent:of:{b",
    "A",
    "Ада",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "👩‍🚀",
    "\u202ea",
    "a\u00a0",
    "' OR 1=1 --",
    "../a",
    "a\\",
    "x" * 256,
    "ж" * 256,
]


async def test_users_may_be_called_anything_and_are_never_mistaken_for_each_other(mallory: User) -> None:
    def named(user: str) -> dict[bytes, bytes]:
        return {b"x-user-id": user.encode()}

    for user in USERS:
        made = await mallory.client.post("/agent/", json={"name": f"of {user}"[:200]}, headers=named(user))
        assert made.status_code == 201, (user, made.text)

    for user in USERS:
        found = (await mallory.client.get("/agent/", headers=named(user))).json()["agents"]
        assert [(each["user_id"], each["data"]["name"]) for each in found] == [(user, f"of {user}"[:200])]


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b" ",
        b"x" * 257,
        "ж".encode() * 257,
        b"a\x00b",
        b"a\x01b",
        b"a\x1b[31mb",
        b"a\x7fb",
        b"a\rb",
        b"a\tb",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        "a\u0085b".encode(),
    ],
)
async def test_what_is_no_name_is_nobody(service: Service, ada: User, name: bytes) -> None:
    status, _ = await raw(service, b"GET /agent/ HTTP/1.1\nx-user-id: " + name)

    # What is no HTTP does not reach the service: its server says 400.
    assert status in ({400, 401} if set(name) & {0, 1, 0x1B, 0x7F, 0x0D} else {401})


IDS: list[bytes] = [
    b"{",
    b"}",
    b"{s:1}",
    b"%7B%7D",
    b"%",
    b"%zz",
    b"%00",
    b"a%00b",
    b"..",
    b"%2e%2e",
    b"..%2f..%2fetc%2fpasswd",
    b"*",
    b"%3F",
    b":",
    b"%0d%0ax:%20y",
    b"%ff%fe",
    b"%ed%a0%80",
    b"%c0%af",
    b"\xd0\x90",
    "Ада".encode(),
    b"'%20OR%201=1",
    b"x" * 8000,
    b"%F0%9F%91%A9" * 500,
]


@pytest.mark.parametrize("given", IDS, ids=lambda given: repr(given[:20]))
async def test_an_id_that_is_none_is_not_found(service: Service, mallory: User, given: bytes) -> None:
    own = await mallory.session(await mallory.agent())
    agent, session = own.agent_id.encode(), own.session_id.encode()
    targets = [
        (b"GET", b"/agent/%s" % given),
        (b"DELETE", b"/agent/%s" % given),
        (b"GET", b"/credential/%s" % given),
        (b"DELETE", b"/credential/%s" % given),
        (b"GET", b"/sessions/?agent_id=%s" % given),
        *((method, b"/sessions/%s%s?agent_id=%s" % ids) for method, ids in _session_paths(given, agent)),
        *((method, b"/sessions/%s%s?agent_id=%s" % ids) for method, ids in _session_paths(session, given)),
    ]

    answers = {
        (method, path[:40]): (await raw(service, b"%s %s HTTP/1.1\nx-user-id: mallory" % (method, path)))[0]
        for method, path in targets
    }

    assert {target: status for target, status in answers.items() if status not in {400, 404, 405, 422}} == {}
    assert (await mallory.ask("GET", own.path("/status"))).json() == {"session_id": own.session_id, "status": "idle"}


def _session_paths(session: bytes, agent: bytes) -> list[tuple[bytes, tuple[bytes, bytes, bytes]]]:
    methods = {b"": (b"GET", b"DELETE"), b"/interrupt": (b"POST",)}
    rests = (b"", b"/interrupt", b"/messages", b"/status", b"/stream")
    return [(method, (session, rest, agent)) for rest in rests for method in methods.get(rest, (b"GET",))]


@pytest.mark.parametrize("given", ["%ff", "%ed%a0%80", "%00", "x" * 8000, "{s:1}", "-1", "%F0%9F%91%A9"])
async def test_a_place_in_a_list_that_is_none_is_refused_or_empty(service: Service, mallory: User, given: str) -> None:
    own = await mallory.session(await mallory.agent())
    lists = ["/agent/?", "/credential/?", f"/sessions/?agent_id={own.agent_id}&"]
    paths = [f"{path}{name}={given}" for path in lists for name in ("cursor", "limit")]
    paths += [own.path(rest) + f"&{name}={given}" for rest, name in (("/messages", "limit"), ("/stream", "after"))]

    answers = {path: (await raw(service, f"GET {path} HTTP/1.1\nx-user-id: mallory".encode()))[0] for path in paths}
    before, _ = await raw(service, f"GET {own.path('/messages')}&before={given} HTTP/1.1\nx-user-id: mallory".encode())

    assert {path: status for path, status in answers.items() if status not in {400, 422}} == {}
    assert before in {200, 400, 422}


async def test_a_message_id_is_as_long_as_it_may_be(mallory: User, provider: OpenAIServer) -> None:
    talk = await mallory.conversation(provider.url)

    refused = [await talk.say(message("hello", id=given)) for given in ("x" * 10_000, "x" * 201, "")]
    accepted = [await talk.say(message("hello", id=given)) for given in ("x" * 200, "{s:1}:*\r\n\x00", "ж")]

    assert [answer.status_code for answer in refused] == [422] * 3
    assert [answer.status_code for answer in accepted] == [200] * 3
    await talk.idle()
    assert [each.id for each in await talk.messages() if each.role == "user"] == ["x" * 200, "{s:1}:*\r\n\x00", "ж"]


@pytest.mark.parametrize(
    "given",
    [b"", b" ", b"-1", b"+1", b"1.0", b"1e3", b"0x1", b"1 2", b"9007199254740993", b"9" * 1000, b"\xff", b"$", b"0-1"],
)
async def test_a_last_event_id_that_is_none_is_refused(service: Service, mallory: User, given: bytes) -> None:
    own = await mallory.session(await mallory.agent())

    status, answer = await raw(
        service, b"GET %s HTTP/1.1\nx-user-id: mallory\nlast-event-id: %s" % (own.path("/stream").encode(), given)
    )

    assert status == 422
    assert b'"path":"Last-Event-ID"' in answer


@pytest.mark.parametrize("given", ["7", "999999999999999", "0009"])
async def test_a_last_event_id_that_never_was_is_a_gap(mallory: User, given: str) -> None:
    own = await mallory.session(await mallory.agent())

    headers: Any = {"last-event-id": given}
    async with own.stream(**headers) as stream:
        told = await stream.next()

    assert isinstance(told, Custom)
    assert told.name == "stream_gap"


async def test_a_key_stands_for_one_request_of_one_user(ada: User, mallory: User) -> None:
    headers, body = {"idempotency-key": "k{s:1}:*"}, {"name": "Bob"}

    first = await ada.ask("POST", "/agent/", body, headers=headers)
    again = await ada.ask("POST", "/agent/", body, headers=headers)
    other_body = await ada.ask("POST", "/agent/", {"name": "Eve"}, headers=headers)
    other_path = await ada.ask("POST", "/sessions/", {"agent_id": first.json()["agent_id"]}, headers=headers)
    other_user = await mallory.ask("POST", "/agent/", {"name": "Eve"}, headers=headers)
    foreign = await mallory.ask("GET", f"/agent/{first.json()['agent_id']}")

    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert [each.status_code for each in (first, other_body, other_path)] == [201, 422, 422]
    assert [each.status_code for each in (other_user, foreign)] == [201, 404]
    assert other_user.json() != first.json()


async def test_a_key_that_is_sent_many_times_at_once_is_one_request(service: Service, ada: User) -> None:
    async with user_of(service, "impatient") as user:
        headers = {"idempotency-key": "at once"}

        answers = await asyncio.gather(
            *(user.ask("POST", "/agent/", {"name": "Bob"}, headers=headers) for _ in range(50))
        )

        listed = (await user.ask("GET", "/agent/")).json()
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["agent_id"] for answer in answers if answer.status_code == 201} == {listed["agents"][0]["id"]}
    assert listed["total"] == 1


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"\xff", b"a\tb", "ж".encode()])
async def test_what_is_no_key_is_refused_or_taken_as_one(service: Service, mallory: User, key: bytes) -> None:
    head = b"POST /agent/ HTTP/1.1\nx-user-id: mallory\ncontent-length: 14\nidempotency-key: " + key

    statuses = [(await raw(service, head, b'{"name":"Bob"}'))[0] for _ in range(2)]

    assert statuses in ([422, 422], [201, 201])
    assert (statuses == [422, 422]) == (len(key) in {0, 256})
