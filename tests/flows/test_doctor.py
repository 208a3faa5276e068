"""A service at work is well: whatever moment the doctor comes at, there is nothing to find."""

import asyncio

from agentsvc.doctor.checkup import check_up
from agentsvc.settings import Settings
from tests.service import Conversation, Service, User

_TALKS = 12
_LOOKS = 3


async def talk(conversation: Conversation, over: asyncio.Event) -> int:
    said = 0
    while not over.is_set():
        await conversation.told(f"Tell me about number {said}")
        said += 1
        if said % 3 == 0:
            await conversation.idle()
    await conversation.idle()
    return said


async def come_and_go(ada: User, agent: str, over: asyncio.Event) -> None:
    """Sessions that are made and deleted all the time."""
    while not over.is_set():
        conversation = await ada.session(agent)
        await conversation.told("Hello")
        answer = await ada.ask("DELETE", conversation.path())
        assert answer.status_code < 300, answer.text


async def test_a_service_at_work_has_no_findings(service: Service, ada: User) -> None:
    agent, over = await ada.agent(), asyncio.Event()
    settings = Settings(redis_url=service.redis_url)
    talks = [asyncio.create_task(talk(await ada.session(agent), over)) for _ in range(_TALKS)]
    visits = [asyncio.create_task(come_and_go(ada, agent, over)) for _ in range(3)]

    reports = [await check_up(settings, repair=False, pause_s=0.5) for _ in range(_LOOKS)]
    over.set()
    said = await asyncio.gather(*talks)
    await asyncio.gather(*visits)
    quiet = await check_up(settings, repair=False, pause_s=0.5)

    assert [report.findings for report in reports] == [[]] * _LOOKS
    assert all(report.keys > _TALKS for report in reports)
    assert min(said) > 1
    assert quiet.findings == []
