"""Whether git, asked what the repository of a workspace holds, runs nothing but itself."""

import posixpath
import re

from agentsvc.agent.backend import BackendBase
from agentsvc.tools.shell.vocabulary import words

_MOST_SETTINGS = 64 * 1024  # bytes
_MOST_INDEX = 32 * 1024 * 1024  # bytes, of some hundred thousand files

_SECTION = re.compile(rb'[ \t]*\[([A-Za-z0-9-]+)(?:[ \t]+"[^"\\]*")?\][ \t]*')
_SETTING = re.compile(rb"[ \t]*([A-Za-z][A-Za-z0-9-]*)[ \t]*(?:=.*)?")
_REMARK = re.compile(rb"[ \t]*(?:[#;].*)?")
# Filters, drivers, pagers, monitors, included files and remotes that are asked for missing objects are not here.
_HARMLESS = words(
    "core.repositoryformatversion core.filemode core.bare core.logallrefupdates core.ignorecase core.symlinks"
    " core.precomposeunicode core.autocrlf core.eol core.safecrlf core.abbrev core.quotepath core.editor"
    " diff.renames diff.renamelimit diff.algorithm diff.mnemonicprefix diff.noprefix diff.colormoved diff.context"
    " remote.url remote.pushurl remote.fetch remote.tagopt remote.prune"
    " status.branch status.short status.showuntrackedfiles status.relativepaths status.showstash"
    " log.date log.decorate log.abbrevcommit log.follow init.defaultbranch lfs.repositoryformatversion"
    " merge.conflictstyle merge.ff"
)
_HARMLESS_SECTIONS = words("user author committer commit color column branch push pull rebase fetch advice rerere gc")

# The mode of a repository inside of the repository, as the index holds it: git looks into it with its own settings.
_INNER = b"\x00\x00\xe0\x00"
_HOOK = "post-index-change"


async def is_plain(backend: BackendBase) -> bool:
    """Also where there is no repository. What cannot be looked at is not plain."""
    try:
        kinds = {posixpath.basename(each.path): each.kind for each in await backend.list(".")}
        if ".git" not in kinds:
            return True
        return kinds[".git"] == "directory" and await _is_plain(backend)
    except OSError:
        return False


async def _is_plain(backend: BackendBase) -> bool:
    names = {posixpath.basename(each.path) for each in await backend.list(".git")}
    if "commondir" in names or any(name.startswith("sharedindex.") for name in names):
        return False
    if await backend.stat(f".git/hooks/{_HOOK}") is not None:
        return False
    settings = await _content(backend, ".git/config", _MOST_SETTINGS) if "config" in names else b""
    index = await _content(backend, ".git/index", _MOST_INDEX) if "index" in names else b""
    return settings is not None and are_harmless(settings) and index is not None and _INNER not in index


async def _content(backend: BackendBase, path: str, most: int) -> bytes | None:
    """None when there is more of it."""
    data = (await backend.read(path, limit=most + 1)).data
    return data if len(data) <= most else None


def are_harmless(settings: bytes) -> bool:
    """Whether every line of git's settings is in a plain form, and known to make git run nothing."""
    section = ""
    for line in settings.split(b"\n"):
        if line.endswith(b"\\"):
            return False
        if header := _SECTION.fullmatch(line):
            section = header[1].decode().lower()
        elif setting := _SETTING.fullmatch(line):
            if section not in _HARMLESS_SECTIONS and f"{section}.{setting[1].decode().lower()}" not in _HARMLESS:
                return False
        elif not _REMARK.fullmatch(line):
            return False
    return True
