"""Read: numbered lines of a text file, an image, pages of a PDF."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from agentsvc.agent.backend import BackendBase, FileData, FileStat
from agentsvc.agent.thread import ToolThread
from agentsvc.agent.tool import ToolChunk
from agentsvc.domain.messages import Base64Source, DataBlock
from agentsvc.domain.permissions import PermissionContext
from agentsvc.domain.states import AgentState
from agentsvc.tools.examinations import PathExamination, examine_read
from agentsvc.tools.files import PATH_SCHEMA, FileTool, Refused, remember
from agentsvc.tools.lines import LONGEST, PIECE, excerpt
from agentsvc.tools.media import PDF, accepts, claimed, is_binary, sniff
from agentsvc.tools.paths import Sensitivity
from agentsvc.tools.pdf import AT_ONCE, UNASKED, BadPages, part_of, text_of

T = TypeVar("T")

_MOST_LINES = 2_000
_MOST_MEDIA = 3_750_000  # bytes; 5 MB as base64, which is what providers take for one image
_MOST_PDF = 20_000_000
_PDF_SECONDS = 30.0

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "file_path": {**PATH_SCHEMA, "description": "Absolute, or relative to the workspace"},
        "offset": {"type": "integer", "minimum": 1, "description": "First line"},
        "limit": {"type": "integer", "minimum": 1, "maximum": _MOST_LINES, "description": "How many lines"},
        "pages": {"type": "string", "description": 'Pages of a PDF: "3" or "1-5"'},
    },
    "required": ["file_path"],
}


class Read(FileTool):
    """``model_input_types`` are the media types that the model takes, such as ``image/*``."""

    name = "Read"
    description = (
        f"Reads a file. Text comes as numbered lines, cut at {LONGEST} characters; images and PDFs come as such if "
        f"you can take them, else PDFs as text. Of a PDF with more than {UNASKED} pages name at most {AT_ONCE}."
    )
    input_schema = _SCHEMA
    is_read_only = True
    is_concurrency_safe = True
    is_state_injected = True
    idempotent = True

    def __init__(
        self,
        backend: BackendBase,
        *,
        model_input_types: Sequence[str] = ("text/plain",),
        sensitivity: Sensitivity | None = None,
        max_media_bytes: int = _MOST_MEDIA,
    ) -> None:
        super().__init__(backend, sensitivity=sensitivity)
        self.model_input_types = tuple(model_input_types)
        self.max_media_bytes = max_media_bytes

    async def check_permissions(self, tool_input: dict[str, Any], context: PermissionContext) -> PathExamination:
        judge = await self.judge(context)
        place = await judge.place(tool_input["file_path"])
        return examine_read(place, await judge.globs(self.name, context))

    async def carry_out(
        self, *, file_path: str, _agent_state: AgentState, offset: int = 1, limit: int = _MOST_LINES, pages: str = ""
    ) -> ToolChunk:
        if await self.find(file_path) is None:
            raise Refused(f"{file_path} does not exist.")
        head = await self.backend.read(file_path, limit=PIECE)
        media_type = sniff(head.data)
        if media_type == PDF:
            chunk, stat = await self._pdf(file_path, pages)
        elif media_type is not None:
            chunk, stat = await self._image(file_path, media_type)
        else:
            self._require_text(file_path, head)
            chunk, stat = await self._text(file_path, offset, limit)
        remember(_agent_state, stat)
        return chunk

    def _require_text(self, path: str, head: FileData) -> None:
        kind = claimed(path)
        if kind is not None and head.data:
            raise Refused(f"{path} is no {kind}, although its name says so.")
        if is_binary(head.data):
            raise Refused(f"{path} is a binary file, which Read cannot show.")

    async def _text(self, path: str, offset: int, limit: int) -> tuple[ToolChunk, FileStat]:
        found = await excerpt(self.backend, path, offset, limit)
        if not found.lines and not found.total:
            return ToolChunk.text("(The file is empty.)"), found.stat
        if not found.lines:
            raise Refused(f"There is no line {offset}: {path} has {found.total} lines.")
        lines = [f"{number:6d}\t{line}" for number, line in enumerate(found.lines, offset)]
        if found.more:
            lines.append(f"(More lines follow: go on with offset {offset + len(found.lines)}.)")
        return ToolChunk.text("\n".join(lines)), found.stat

    async def _image(self, path: str, media_type: str) -> tuple[ToolChunk, FileStat]:
        if not accepts(self.model_input_types, media_type):
            raise Refused(f"{path} is an image ({media_type}), which the model does not take.")
        image = await self._whole(path, self.max_media_bytes)
        return _data(image.data, media_type, path), image.stat

    async def _pdf(self, path: str, pages: str) -> tuple[ToolChunk, FileStat]:
        pdf = await self._whole(path, _MOST_PDF)
        if accepts(self.model_input_types, PDF):
            part = await _in_thread(partial(part_of, pdf.data, pages))
            return _data(part, PDF, path), pdf.stat
        return ToolChunk.text(await _in_thread(partial(text_of, pdf.data, pages))), pdf.stat

    async def _whole(self, path: str, most: int) -> FileData:
        found = await self.backend.read(path, limit=most + 1)
        if len(found.data) > most:
            raise Refused(f"{path} has {found.stat.size} bytes; at most {most} can be read of such a file.")
        return found


def _data(data: bytes, media_type: str, path: str) -> ToolChunk:
    source = Base64Source(data=b64encode(data).decode(), media_type=media_type)
    return ToolChunk(content=[DataBlock(source=source, name=path.rpartition("/")[2])])


async def _in_thread(step: Callable[[], T]) -> T:
    """What blocks, away from the loop. Raises Refused when it fails or takes too long; then nobody waits for it."""
    thread = ToolThread("pdf")
    try:
        async with asyncio.timeout(_PDF_SECONDS):
            return await thread.do(step)
    except BadPages as error:
        raise Refused(str(error)) from error
    except TimeoutError as error:
        raise Refused("The PDF takes too long to read. Read fewer pages.") from error
    finally:
        thread.end()
