"""A long result is shown up to a limit; nothing of the rest is lost that can be kept."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agentsvc.agent.context.truncation import MARKER, Truncator, fitting, truncate
from agentsvc.agent.tool import ToolChunk
from agentsvc.domain.messages import DataBlock, TextBlock
from tests.agent.calls import text_of
from tests.agent.context.histories import image, result, text


class Shelf:
    """Keeps what it is given, unless it is full or broken."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.kept: dict[str, bytes] = {}
        self._failure = failure

    async def __call__(self, name_hint: str, data: bytes) -> str | None:
        if self._failure is not None:
            raise self._failure
        self.kept[name_hint] = data
        return f"/kept/{name_hint}"


def chunk(*words: str) -> ToolChunk:
    return ToolChunk(content=[TextBlock(text=each) for each in words])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.sampled_from("aä€😀\n"), max_size=12), max_size=8), st.integers(1, 12))
async def test_what_is_shown_and_what_is_kept_are_the_whole(words, limit):
    truncator, shelf = Truncator(limit), Shelf()

    shown = text_of([truncator.feed(chunk(each)) for each in words])
    await truncator.finish(shelf)

    whole = "".join(words)
    rest = b"".join(shelf.kept.values()).decode()
    assert shown + rest == whole
    size = len(shown.encode())
    assert size <= limit * 4
    assert shown == whole or size + len(whole[len(shown)].encode()) > limit * 4


async def test_the_end_says_how_much_is_missing_and_where_it_is():
    truncator, shelf = Truncator(1), Shelf()
    truncator.feed(chunk("abcdefgh"))

    end = await truncator.finish(shelf)

    assert end is not None
    (path,) = shelf.kept
    assert text_of([end]).splitlines()[1] == MARKER
    assert "4 bytes" in text_of([end])
    assert f"/kept/{path}" in text_of([end])


async def test_a_result_that_fits_has_no_such_end():
    truncator = Truncator(2)
    given_chunk = chunk("abcd", "efgh")

    assert truncator.feed(given_chunk) is given_chunk
    assert await truncator.finish(Shelf()) is None


async def test_state_and_metadata_pass_behind_the_limit_too():
    truncator = Truncator(1)
    truncator.feed(chunk("abcdefgh"))

    shown = truncator.feed(ToolChunk(content=[text("more")], state="error", metadata={"diff": "…"}))

    assert shown == ToolChunk(content=[], state="error", metadata={"diff": "…"})


async def test_a_medium_that_does_not_fit_goes_to_the_rest_as_a_whole():
    truncator, shelf = Truncator(2001), Shelf()
    small, large = image("1"), image("2")

    shown = truncator.feed(ToolChunk(content=[small, text("abc"), large, text("x")]))
    await truncator.finish(shelf)

    assert [block for block in shown.content if isinstance(block, DataBlock)] == [small]
    assert text_of([shown]) == "abc"
    medium, rest = sorted(shelf.kept)
    assert medium.endswith(".png")
    assert shelf.kept[medium] == b"pix"
    assert shelf.kept[rest].decode() == f"\n[image/png: /kept/{medium}]\nx"


async def test_what_cannot_be_kept_is_only_left_out():
    for offload in (None, Shelf(OSError("full"))):
        truncator = Truncator(1)
        truncator.feed(chunk("abcdefgh"))

        end = await truncator.finish(offload)

        assert end is not None
        assert "left out" in text_of([end])
        assert "/kept" not in text_of([end])


async def test_only_so_much_is_kept_and_that_without_gaps():
    truncator, shelf = Truncator(1, most_kept=5), Shelf()
    for words in ("abcd", "1234", "€uro", "x"):
        truncator.feed(chunk(words))

    end = await truncator.finish(shelf)

    assert end is not None
    assert list(shelf.kept.values()) == [b"1234"]
    assert "11 bytes" in text_of([end])
    assert "The first 4 of them" in text_of([end])


async def test_a_whole_result_keeps_its_metadata():
    whole = result("a", "abcdefgh", metadata={"diff": "…"})

    cut = await truncate(whole, 1, Shelf())

    assert cut.metadata == whole.metadata
    assert isinstance(cut.output, list)
    assert isinstance(cut.output[0], TextBlock)
    assert cut.output[0].text == "abcd"
    assert MARKER in str(cut.output[1])
    assert await truncate(whole, 2) is whole


def test_a_character_is_never_cut():
    assert [fitting("a€b", room) for room in range(-1, 7)] == [0, 0, 1, 1, 1, 2, 3, 3]
    assert fitting("\ud800b", 3) == 1
