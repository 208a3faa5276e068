"""What a file holds, by its first bytes, and whether a model takes it."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

PDF = "application/pdf"
_SNIFFED = 8 * 1024
_EXTENSIONS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".pdf": PDF,
}
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"%PDF-", PDF))
_GIFS = (b"GIF87a", b"GIF89a")


def sniff(data: bytes) -> str | None:
    """The media type of an image or a PDF, None for all else."""
    if data.startswith(_GIFS):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in _MAGIC if data.startswith(magic)), None)


def claimed(path: str) -> str | None:
    """What the name says that the file is, if it is an image or a PDF."""
    return next((kind for ending, kind in _EXTENSIONS.items() if path.lower().endswith(ending)), None)


def is_binary(data: bytes) -> bool:
    return b"\0" in data[:_SNIFFED]


def accepts(input_types: Iterable[str], media_type: str) -> bool:
    """``image/*`` takes every image."""
    return any(fnmatchcase(media_type, each) for each in input_types)
