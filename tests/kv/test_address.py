"""A URL says which Redis is meant; what is wrong is said without repeating a secret."""

import pytest

from agentsvc.kv.address import Address, AddressError, parse_address
from agentsvc.settings import without_password


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address(kind="standalone", hosts=(("localhost", 6379),))),
        (
            "rediss://ada:p%40ss@[::1]:7000/2?ssl_ca_certs=/ca.pem",
            Address(
                kind="standalone",
                hosts=(("::1", 7000),),
                db=2,
                login={"username": "ada", "password": "p@ss"},
                tls={"ssl_ca_certs": "/ca.pem"},
            ),
        ),
        (
            "redis://redis?password=a&db=1",
            Address(kind="standalone", hosts=(("redis", 6379),), db=1, login={"password": "a"}),
        ),
        (
            "unix://:pass@/run/a%20b.sock?db=3",
            Address(kind="standalone", path="/run/a b.sock", db=3, login={"password": "pass"}),
        ),
        (
            "redis+sentinel://ada:pass@one,two:7000/main/1?sentinel_username=eve&sentinel_password=word",
            Address(
                kind="sentinel",
                hosts=(("one", 26379), ("two", 7000)),
                service="main",
                db=1,
                login={"username": "ada", "password": "pass"},
                sentinel_login={"username": "eve", "password": "word"},
            ),
        ),
        (
            "rediss+cluster://one,two:7000?ssl_cert_reqs=none",
            Address(kind="cluster", hosts=(("one", 6379), ("two", 7000)), tls={"ssl_cert_reqs": "none"}),
        ),
    ],
)
def test_a_url_says_where_and_how(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://redis", "another scheme"),
        ("redis+shards://one", "another scheme"),
        ("redis://", "a host is a name"),
        ("redis://one:99999", "from 1 to 65535"),
        ("redis://one:canary", "from 1 to 65535"),
        ("redis://one,two", "several hosts"),
        ("redis://one/canary", "one whole number"),
        ("redis://one/1?db=2", "one whole number"),
        ("redis://one?ssl_ca_certs=/ca.pem", "TLS"),
        ("rediss://one?ssl_cert_reqs=canary", "required, optional or none"),
        ("redis://one?canary=1", "not known"),
        ("redis://one?sentinel_password=canary", "not known"),
        ("redis://one?password=canary&password=b", "twice"),
        ("redis://:can#ary@one", "%23"),
        ("redis://:can/ary@one", "a host is a name"),
        ("redis://[::1", "no URL"),
        ("redis+sentinel://one,two", "names the service"),
        ("redis+cluster://one/1", "only the database 0"),
        ("unix://relative.sock", "absolute path"),
        ("unix://", "absolute path"),
    ],
)
def test_what_is_wrong_is_said_without_what_may_be_a_secret(url: str, why: str) -> None:
    with pytest.raises(AddressError, match=why) as refused:
        parse_address(url)

    assert "canary" not in str(refused.value)
    assert "can" not in str(refused.value).split()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "redis+sentinel://ada:canary@one,two:7000/main?sentinel_password=canary&sentinel_username=eve",
            "redis+sentinel://ada:**********@one,two:7000/main?sentinel_password=**********&sentinel_username=eve",
        ),
        (
            "rediss+cluster://:can@ary@one,two?ssl_ca_certs=/ca.pem&%70assword=canary",
            "rediss+cluster://:**********@one,two?ssl_ca_certs=/ca.pem&%70assword=**********",
        ),
    ],
)
def test_every_kind_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_an_address_that_is_printed_has_no_secret() -> None:
    assert "canary" not in repr(parse_address("redis+sentinel://:canary@one/main?sentinel_password=canary"))
