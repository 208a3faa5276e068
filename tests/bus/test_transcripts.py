"""The transcript is read backwards page by page, without holes and without repeats."""

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.domain.messages import Msg
from tests.bus.conftest import SESSION, Say


async def test_pages_walk_the_whole_history_once(bus: RedisMessageBus, say: Say) -> None:
    said = [await say(str(number)) for number in range(23)]

    walked: list[Msg] = []
    before, more = None, True
    while more:
        page, more = await bus.transcripts.page(SESSION, 5, before)
        walked = page + walked
        before = page[0].id

    assert walked == said


async def test_a_page_of_exactly_what_is_there_has_nothing_before_it(bus: RedisMessageBus, say: Say) -> None:
    said = [await say(str(number)) for number in range(5)]

    assert await bus.transcripts.page(SESSION, 5) == (said, False)
    assert await bus.transcripts.page(SESSION, 4) == (said[1:], True)
    assert await bus.transcripts.page(SESSION, 5, said[0].id) == ([], False)


async def test_nothing_stands_before_an_unknown_message(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")

    assert await bus.transcripts.page(SESSION, 5, "unknown") == ([], False)
