"""Read on real files."""

import os
from base64 import b64decode
from io import BytesIO

import msgspec
import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from agentsvc.domain.messages import Base64Source, DataBlock
from agentsvc.tools.read import Read
from tests.tools.calls import CountingBackend, refusal, run, text

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


def pdf(pages: int) -> bytes:
    """So many pages, each of which says its number."""
    writer = PdfWriter()
    font = DictionaryObject({NameObject(f"/{key}"): NameObject(f"/{value}") for key, value in FONT.items()})
    for number in range(1, pages + 1):
        page = writer.add_blank_page(200, 200)
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 20 100 Td (This is sheet {number}.) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(content)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


FONT = {"Type": "Font", "Subtype": "Type1", "BaseFont": "Helvetica"}


@pytest.fixture
def read(backend):
    return Read(backend, model_input_types=["text/plain", "image/*"])


async def test_lines_are_numbered(workspace, read, state):
    (workspace / "a.txt").write_bytes("eins\r\nzwei\n\ndréi".encode())

    chunk = await run(read, file_path="a.txt", _agent_state=state)

    assert text(chunk) == "     1\teins\n     2\tzwei\n     3\t\n     4\tdréi"


async def test_a_path_may_be_absolute_or_relative_to_the_root(workspace, read, state):
    (workspace / "a.txt").write_text("x")

    absolute = await run(read, file_path=str(workspace / "a.txt"), _agent_state=state)
    relative = await run(read, file_path="./a.txt", _agent_state=state)

    assert text(absolute) == text(relative) == "     1\tx"


async def test_offset_and_limit_choose_the_lines_and_say_how_to_go_on(workspace, read, state):
    (workspace / "a.txt").write_text("".join(f"line {number}\n" for number in range(1, 11)))

    middle = await run(read, file_path="a.txt", offset=4, limit=2, _agent_state=state)
    last = await run(read, file_path="a.txt", offset=9, limit=2, _agent_state=state)

    assert text(middle) == "     4\tline 4\n     5\tline 5\n(More lines follow: go on with offset 6.)"
    assert text(last) == "     9\tline 9\n    10\tline 10"


async def test_without_a_limit_two_thousand_lines_are_shown(workspace, read, state):
    (workspace / "a.txt").write_text("x\n" * 2_001)

    lines = text(await run(read, file_path="a.txt", _agent_state=state)).split("\n")

    assert lines[1_999] == "  2000\tx"
    assert lines[2_000:] == ["(More lines follow: go on with offset 2001.)"]


async def test_an_offset_past_the_end_says_how_many_lines_there_are(workspace, read, state):
    (workspace / "a.txt").write_text("x\ny")

    assert await refusal(read, file_path="a.txt", offset=3, _agent_state=state) == (
        "There is no line 3: a.txt has 2 lines."
    )


async def test_a_long_line_is_cut_between_characters(workspace, read, state):
    (workspace / "a.txt").write_text("é" * 100_000 + "\nnext")

    lines = text(await run(read, file_path="a.txt", _agent_state=state)).split("\n")

    assert lines == [f"     1\t{'é' * 2_000}... (line cut)", "     2\tnext"]


async def test_characters_that_lie_across_two_pieces_are_whole(workspace, read, state):
    row = "ab€" * 33 + "\n"
    (workspace / "a.txt").write_text(row * 6_000)

    shown = text(await run(read, file_path="a.txt", offset=4_001, _agent_state=state))

    assert "\ufffd" not in shown
    assert shown.count(row.strip()) == 2_000


async def test_what_is_not_utf8_is_shown_with_replacement(workspace, read, state):
    (workspace / "a.txt").write_bytes(b"\xef\xbb\xbfcaf\xe9\n")

    assert text(await run(read, file_path="a.txt", _agent_state=state)) == "     1\tcaf\ufffd"


async def test_an_empty_file_is_said_to_be_empty(workspace, read, state):
    (workspace / "a.txt").touch()

    assert text(await run(read, file_path="a.txt", _agent_state=state)) == "(The file is empty.)"


async def test_what_is_no_file_is_refused(workspace, read, state):
    (workspace / "src").mkdir()
    os.mkfifo(workspace / "pipe")

    assert "does not exist" in await refusal(read, file_path="none.txt", _agent_state=state)
    assert "is a directory" in await refusal(read, file_path="src", _agent_state=state)
    assert "no regular file" in await refusal(read, file_path="pipe", _agent_state=state)


async def test_a_binary_file_is_refused(workspace, read, state):
    (workspace / "a.bin").write_bytes(b"ELF\0\1\2")

    assert "is a binary file" in await refusal(read, file_path="a.bin", _agent_state=state)


async def test_an_image_comes_as_a_data_block_whatever_its_name(workspace, read, state):
    (workspace / "shot.dat").write_bytes(PNG)

    [block] = (await run(read, file_path="shot.dat", _agent_state=state)).content

    assert isinstance(block, DataBlock)
    assert isinstance(block.source, Base64Source)
    assert block.source.media_type == "image/png"
    assert b64decode(block.source.data) == PNG


async def test_an_image_is_refused_when_the_model_takes_none(workspace, backend, state):
    (workspace / "shot.png").write_bytes(PNG)

    assert "does not take" in await refusal(Read(backend), file_path="shot.png", _agent_state=state)


async def test_an_image_that_is_too_large_is_refused(workspace, backend, state):
    (workspace / "shot.png").write_bytes(PNG)
    read = Read(backend, model_input_types=["image/png"], max_media_bytes=len(PNG) - 1)

    assert "at most" in await refusal(read, file_path="shot.png", _agent_state=state)


async def test_a_file_that_only_says_it_is_an_image_is_refused(workspace, read, state):
    (workspace / "shot.png").write_text("not at all")

    assert "is no image/png" in await refusal(read, file_path="shot.png", _agent_state=state)


async def test_a_short_pdf_is_read_as_a_whole(workspace, read, state):
    (workspace / "a.pdf").write_bytes(pdf(2))

    shown = text(await run(read, file_path="a.pdf", _agent_state=state))

    assert shown == "--- page 1 ---\nThis is sheet 1.\n--- page 2 ---\nThis is sheet 2."


async def test_pages_of_a_pdf_are_chosen(workspace, read, state):
    (workspace / "a.pdf").write_bytes(pdf(30))

    one = text(await run(read, file_path="a.pdf", pages="17", _agent_state=state))
    some = text(await run(read, file_path="a.pdf", pages="2 - 3", _agent_state=state))

    assert one == "--- page 17 ---\nThis is sheet 17."
    assert some == "--- page 2 ---\nThis is sheet 2.\n--- page 3 ---\nThis is sheet 3."


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ("", "has 30 pages"),
        ("1-21", "At most 20"),
        ("31", "no pages 31"),
        ("0", "no pages"),
        ("5-3", "no pages"),
        ("x", "must be like"),
    ],
)
async def test_pages_that_cannot_be_given_are_refused(workspace, read, state, pages, words):
    (workspace / "a.pdf").write_bytes(pdf(30))

    assert words in await refusal(read, file_path="a.pdf", pages=pages, _agent_state=state)


async def test_a_model_that_takes_pdfs_is_given_one_of_the_pages(workspace, backend, state):
    (workspace / "a.pdf").write_bytes(pdf(12))
    read = Read(backend, model_input_types=["application/pdf"])

    [block] = (await run(read, file_path="a.pdf", pages="4-5", _agent_state=state)).content

    assert isinstance(block, DataBlock)
    assert isinstance(block.source, Base64Source)
    pages = PdfReader(BytesIO(b64decode(block.source.data))).pages
    assert [page.extract_text() for page in pages] == ["This is sheet 4.", "This is sheet 5."]


async def test_a_damaged_pdf_is_refused(workspace, read, state):
    (workspace / "a.pdf").write_bytes(pdf(2)[:200])

    assert "cannot be read" in await refusal(read, file_path="a.pdf", _agent_state=state)


async def test_a_few_lines_of_a_large_file_cost_little(workspace, state):
    (workspace / "large.log").write_bytes(b"a line of it\n" * 800_000)
    backend = CountingBackend(workspace)

    await run(Read(backend), file_path="large.log", limit=5, _agent_state=state)

    assert backend.amount < 1_000_000


async def test_the_state_does_not_grow_with_the_size_of_files_read(workspace, backend, state):
    (workspace / "large.log").write_bytes(b"a line of it\n" * 100_000)

    await run(Read(backend), file_path="large.log", _agent_state=state)

    assert len(msgspec.json.encode(state.tool_context)) < 1_000


async def test_the_files_that_were_read_longest_ago_are_forgotten(workspace, backend, state):
    state.tool_context = msgspec.structs.replace(state.tool_context, max_cache_files=2)
    for name in "abc":
        (workspace / name).write_text(name)

    for name in "abac":
        await run(Read(backend), file_path=name, _agent_state=state)

    known = [each.file_path for each in state.tool_context.read_file_cache]
    assert known == [str(workspace / "a"), str(workspace / "c")]


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000, "a/" * 3_000 + "b"])
async def test_a_path_that_no_file_can_have_is_refused(read, state, name):
    assert await refusal(read, file_path=name, _agent_state=state)
