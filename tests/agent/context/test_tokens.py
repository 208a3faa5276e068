"""What is counted, and how much of it is counted again."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agentsvc.agent.context import tokens
from agentsvc.agent.context.tokens import count, counted, of_blocks, of_schemas
from agentsvc.agent.model import ToolSchema
from agentsvc.domain.messages import Base64Source, Block, DataBlock, HintBlock, ThinkingBlock
from agentsvc.domain.states import TokenCount
from tests.agent.context.histories import CONVERSATIONS, bot, call, image, result, text, user


def test_text_counts_by_its_bytes_and_media_by_the_piece():
    blocks: list[Block] = [text("abcde"), text("äöü€"), image(), ThinkingBlock(thinking="abcd"), HintBlock(hint="abcd")]

    assert [of_blocks([block]) for block in blocks] == [2, 3, 2000, 1, 1]


def test_calls_and_results_count_with_all_that_they_hold():
    assert of_blocks([call("a", '{"x": 12345}')]) == 1 + 3
    assert of_blocks([result("a", [text("abcd"), image()])]) == 2001


def test_a_text_file_counts_as_the_text_that_it_is_sent_as():
    file = DataBlock(source=Base64Source(data="A" * 160_000, media_type="text/csv"))

    assert of_blocks([file]) == 30_000


def test_tools_count():
    assert of_schemas([ToolSchema("look", "Looks.", {"type": "object"})]) > 5


@settings(max_examples=100, deadline=None)
@given(CONVERSATIONS, st.data())
def test_baseline_and_increment_are_a_full_count(conversation, data):
    fixed = data.draw(st.integers(0, 1000))
    full = fixed + sum(of_blocks(message.content) for message in conversation)
    number = data.draw(st.integers(0, len(conversation)))
    before = conversation[:number]
    if before:
        last = before[-1]
        blocks = data.draw(st.integers(0, len(last.content)))
        seen = full - of_blocks(last.content[blocks:]) - sum(of_blocks(each.content) for each in conversation[number:])
        baseline = TokenCount(message_id=last.id, blocks=blocks, tokens=seen)
        assert count(conversation, baseline, fixed) == full

    assert count(conversation, None, fixed) == full


def test_the_provider_is_believed_up_to_where_it_counted():
    context = [user("a" * 400), bot("abcd")]
    baseline = counted(context, 7)

    assert count([*context, user("abcdefgh")], baseline, 1000) == 9


def test_a_baseline_whose_place_is_gone_is_none():
    context = [user("abcd"), bot("abcd", id="r")]

    for baseline in (
        TokenCount(message_id="other", blocks=1, tokens=5000),
        TokenCount(message_id="r", blocks=2, tokens=5000),
    ):
        assert count(context, baseline, 10) == 12


def test_what_is_in_the_summary_does_not_count():
    assert count([user("abcd"), bot("abcd", "abcdefgh")], None, 0, summarised=1) == 3


def test_nothing_has_no_baseline():
    assert counted([], 5) is None


def test_a_round_counts_only_what_is_new(monkeypatch):
    weighed: list[Block] = []
    of_block = tokens.of_block

    def weigh(block: Block) -> int:
        weighed.append(block)
        return of_block(block)

    monkeypatch.setattr(tokens, "of_block", weigh)
    earlier = [message for number in range(500) for message in (user("hi"), bot("ho", id=f"r{number}"))]
    blocks: list[Block] = []
    baseline = counted(earlier, 10_000)

    for number in range(20):
        blocks += [text("so"), call(f"c{number}")]
        baseline = counted([*earlier, bot(*blocks, id="r")], count([*earlier, bot(*blocks, id="r")], baseline, 0))
        blocks.append(result(f"c{number}"))
        count([*earlier, bot(*blocks, id="r")], baseline, 0)

    assert len(weighed) <= 20 * 4
