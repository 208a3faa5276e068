"""Pages of a PDF, as text or as a smaller PDF. Everything here blocks: it is for a thread."""

import re
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pypdf import PdfReader

# The library is imported where a PDF is read: it takes 12 MB, and most workers never need it.

T = TypeVar("T")

UNASKED = 10  # pages that are read without being named
AT_ONCE = 20
_CHARACTERS = 100_000
_RANGE = re.compile(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?")


class BadPages(ValueError):
    """The pages cannot be given; the words are for the model."""


def text_of(data: bytes, pages: str) -> str:
    """The text of some pages, each under its number. Raises BadPages."""
    return _guarded(_text, data, pages)


def part_of(data: bytes, pages: str) -> bytes:
    """A PDF of some pages. Raises BadPages."""
    return _guarded(_part, data, pages)


def wanted(pages: str, count: int) -> range:
    """Indexes of ``3`` or ``1-5`` in a document of so many pages; empty means all. Raises BadPages."""
    if not pages.strip():
        if count > UNASKED:
            raise BadPages(f"The PDF has {count} pages. Say which in pages, at most {AT_ONCE} at once.")
        return range(count)
    found = _RANGE.fullmatch(pages)
    if found is None:
        raise BadPages(f'pages is {pages!r}; it must be like "3" or "1-5".')
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= count:
        raise BadPages(f"There are no pages {pages.strip()}: the PDF has {count} pages.")
    if last - first >= AT_ONCE:
        raise BadPages(f"At most {AT_ONCE} pages can be read at once.")
    return range(first - 1, last)


def _guarded(make: "Callable[[PdfReader, str], T]", data: bytes, pages: str) -> T:
    from pypdf import PdfReader  # noqa: PLC0415
    from pypdf.errors import FileNotDecryptedError, PyPdfError  # noqa: PLC0415

    try:
        return make(PdfReader(BytesIO(data)), pages)
    except FileNotDecryptedError as error:
        raise BadPages("The PDF is encrypted.") from error
    except (PyPdfError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        # What the library raises for files that are damaged on purpose is not all its own.
        if isinstance(error, BadPages):
            raise
        raise BadPages(f"The PDF cannot be read: {error}") from error


def _text(reader: "PdfReader", pages: str) -> str:
    texts: list[str] = []
    for index in wanted(pages, len(reader.pages)):
        texts.append(f"--- page {index + 1} ---\n{reader.pages[index].extract_text()}")
        if sum(map(len, texts)) > _CHARACTERS:
            return "\n".join(texts)[:_CHARACTERS] + "\n... the rest is left out; read fewer pages"
    return "\n".join(texts)


def _part(reader: "PdfReader", pages: str) -> bytes:
    from pypdf import PdfWriter  # noqa: PLC0415

    writer = PdfWriter()
    for index in wanted(pages, len(reader.pages)):
        writer.add_page(reader.pages[index])
    out = BytesIO()
    writer.write(out)
    return out.getvalue()
