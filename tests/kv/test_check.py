"""What cannot be used is said at start, in one line, and without the password."""

from collections.abc import Generator
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from agentsvc.cli import main
from agentsvc.kv.check import check_redis
from agentsvc.kv.errors import Denied, Refused
from tests.redis_kinds.acl import Acl, acl
from tests.redis_kinds.chosen import CHOSEN
from tests.service import KEY, free_port


@pytest.fixture(scope="module")
def guarded() -> Generator[Acl]:
    with acl("~{*}* &* +@all") as server:
        yield server


def test_a_redis_that_can_be_used_is_taken(redis_url: str) -> None:
    check_redis(redis_url)


def test_a_wrong_password_is_refused_at_once(guarded: Acl) -> None:
    with pytest.raises(Denied, match="user name"):
        check_redis(f"redis://agentsvc:canary@{guarded.address}")


def test_a_password_that_is_missing_is_refused_at_once(guarded: Acl) -> None:
    with pytest.raises(Denied):
        check_redis(guarded.nameless_url)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_the_service_does_not_start_with_a_wrong_password(guarded: Acl, command: str) -> None:
    url = f"redis://agentsvc:{quote('canary')}@{guarded.address}"

    ended = CliRunner().invoke(
        main, [command], env={"AGENTSVC_REDIS_URL": url, "AGENTSVC_SECRET_KEYS": KEY, "AGENTSVC_PORT": str(free_port())}
    )

    assert ended.exit_code == 1
    assert ended.output.startswith("Error: Redis does not take this user name and password")
    assert "canary" not in ended.output


def test_a_server_alone_is_not_taken_for_a_cluster(guarded: Acl) -> None:
    with pytest.raises(Refused, match="cluster support disabled"):
        check_redis(guarded.url.replace("redis://", "redis+cluster://"))


@pytest.mark.skipif(CHOSEN != "cluster", reason="it takes a Cluster")
def test_a_cluster_is_not_taken_for_a_server_alone(redis_url: str) -> None:
    first = redis_url.removeprefix("redis+cluster://").split(",")[0]

    with pytest.raises(Refused, match=r"redis\+cluster://"):
        check_redis(f"redis://{first}")
