"""How many runs of one user go on at the same time is limited, over all workers; others use the room that is left."""

from tests.conftest import wait_until
from tests.fakes.openai_server import OpenAIServer
from tests.flows.crowds import CROWD, answered, crowd, heard, keep_waiting
from tests.service import User

MOST = 3

ARGUMENTS = ("--max-runs-per-user", str(MOST))


async def test_a_user_has_no_more_runs_at_once_than_may_be(ada: User, mallory: User, provider: OpenAIServer) -> None:
    keep_waiting(provider)
    talks = await crowd(ada, provider.url)
    await wait_until(lambda: provider.open == MOST, "all places of this user are taken")

    other = await mallory.conversation(provider.url)
    await other.told("mallory")
    await wait_until(lambda: provider.open == MOST + 1, "another user is answered beside them")
    first = heard(provider)
    most = await answered(provider, [other, *talks])

    assert first == ["ada"] * MOST + ["mallory"]
    assert most == MOST
    assert sorted(heard(provider)) == ["ada"] * CROWD + ["mallory"]
