"""Many sessions of one user that are asked at once, and a model that keeps them waiting."""

import asyncio
from collections import Counter

from tests.conftest import wait_until
from tests.fakes.openai_line import Request
from tests.fakes.openai_scripts import Hold
from tests.fakes.openai_server import OpenAIServer, words
from tests.service import Conversation, User

CROWD = 60


def keep_waiting(provider: OpenAIServer) -> None:
    """From now on no answer ends before ``provider.release()``."""
    provider.default = [*words("At last"), Hold()]


async def crowd(user: User, model_url: str, count: int = CROWD) -> list[Conversation]:
    """So many sessions, each of which has been told the name of the user."""
    agent, credential = await user.agent(), await user.credential(model_url)
    talks = [await user.session(agent, credential) for _ in range(count)]
    await asyncio.gather(*(talk.told(user.name) for talk in talks))
    return talks


async def answered(provider: OpenAIServer, talks: list[Conversation]) -> int:
    """Release answers until every session has one: how many of one user were ever in the making at the same time."""
    most = 0

    async def all_idle() -> bool:
        nonlocal most
        at_work = Counter(_said(each) for each in provider.requests if not each.done)
        most = max(most, 0, *at_work.values())
        provider.release()
        return provider.open == 0 and all([await talk.status() == "idle" for talk in talks])

    await wait_until(all_idle, "all have been answered", within=60)
    return most


def heard(provider: OpenAIServer) -> list[str]:
    """The last words of the user in each request to the model, in the order in which these came."""
    return [_said(each) for each in provider.requests]


def _said(request: Request) -> str:
    return str(request.body["messages"][-1]["content"])
