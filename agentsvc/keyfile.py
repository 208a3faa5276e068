"""The key file: what seals secrets where nobody has named a key."""

import base64
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

_NAME = "secret.keys"


def load_or_create_keys(data_dir: Path) -> str:
    """The file's keys in the form of ``AGENTSVC_SECRET_KEYS``; the first time, the file is made with one key.

    It has one key a line, of which the first seals. Of several processes that make it, all get what one of them wrote.
    """
    path = data_dir / _NAME
    if not path.exists():
        _create(path, base64.b64encode(secrets.token_bytes(32)) + b"\n")
    return ",".join(path.read_text("ascii").split())


def _create(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made with mode 0600, then linked: under its name the file is complete from the first moment and never replaced.
    fd, draft = tempfile.mkstemp(prefix=f".{_NAME}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
