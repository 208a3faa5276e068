"""A backend over a directory of this machine, in its plainest form."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG

from agentsvc.agent.backend import BackendBase, Changed, Exit, FileData, FileKind, FileStat, Output


class DirectoryBackend(BackendBase):
    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)

    def _path(self, path: str) -> Path:
        return Path(os.path.realpath(Path(self.root, path)))

    async def exec(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Output | Exit]:
        plain = {"PATH": os.environ["PATH"], "HOME": self.root, **(env or {})}
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, cwd=self._path(cwd or "."), env=plain, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
            )
        except FileNotFoundError:
            yield Output("stderr", f"{argv[0]}: not found".encode())
            yield Exit(code=127)
            return
        try:
            out, err = await asyncio.wait_for(process.communicate(), timeout_s)
        except TimeoutError:
            process.kill()
            await process.wait()
            yield Exit(code=137, timed_out=True)
            return
        if out:
            yield Output("stdout", out)
        if err:
            yield Output("stderr", err)
        yield Exit(code=process.returncode or 0)

    async def resolve(self, path: str) -> str:
        return str(self._path(path))

    async def stat(self, path: str) -> FileStat | None:
        real = self._path(path)
        return _stat(real) if real.exists() else None

    async def read(self, path: str, *, offset: int = 0, limit: int | None = None) -> FileData:
        real = self._path(path)
        with real.open("rb") as file:
            file.seek(offset)
            return FileData(file.read(-1 if limit is None else limit), _stat(real))

    async def write(self, path: str, data: bytes, *, expected: str | None = None, create: bool = True) -> FileStat:
        real = self._path(path)
        there = _stat(real) if real.exists() else None
        if (there is None and (expected is not None or not create)) or (
            there is not None and (there.stamp != expected if expected is not None else create)
        ):
            raise Changed(str(real))
        real.parent.mkdir(parents=True, exist_ok=True)
        part = real.with_name(f".{real.name}.part")
        part.write_bytes(data)
        if there is not None:
            part.chmod(there.mode)
        part.replace(real)
        return _stat(real)

    async def list(self, path: str) -> Sequence[FileStat]:
        return [_stat(each) for each in sorted(self._path(path).iterdir())]


def _stat(path: Path) -> FileStat:
    found = path.lstat()
    kinds: list[tuple[bool, FileKind]] = [
        (S_ISREG(found.st_mode), "file"),
        (S_ISDIR(found.st_mode), "directory"),
        (S_ISLNK(found.st_mode), "symlink"),
    ]
    return FileStat(
        path=str(path),
        kind=next((kind for holds, kind in kinds if holds), "other"),
        size=found.st_size,
        mtime=found.st_mtime,
        mode=S_IMODE(found.st_mode),
        stamp=f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}",
    )
