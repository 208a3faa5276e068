"""The examination: everything in Redis is looked at once, and what seems wrong a second time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from msgspec.structs import replace

from agentsvc.bus import keys
from agentsvc.bus.survey import Survey as Live
from agentsvc.doctor.findings import Finding, Kind
from agentsvc.doctor.judgements import of_key
from agentsvc.doctor.queue import Patience, Queue
from agentsvc.doctor.records import Records
from agentsvc.doctor.sessions import Sessions
from agentsvc.doctor.shapes import Named, is_ours, named
from agentsvc.domain.ids import OwnerId, SessionId
from agentsvc.kv.client import Redis
from agentsvc.storage.survey import Survey as Stored

_BATCH = 200
# What waits is found by a first look and well by the second: more than any healthy service has at a time.
_MOST = 10_000
_HELD = "{q:<n>}:held:<owner>"
_UNASKED = ("stuck-run", "stranded-inbox")


@dataclass
class Seen:
    """What one look has found.

    ``held`` are shards and owners of what waits outside the queue; ``recorded`` says that owners have records here,
    ``cut`` that there was too much for one look.
    """

    findings: set[Finding] = field(default_factory=set[Finding])
    held: set[tuple[int, OwnerId]] = field(default_factory=set[tuple[int, OwnerId]])
    keys: int = 0
    foreign: int = 0
    recorded: bool = False
    cut: bool = False


class Examination:
    """Looks beside a running service, which moves on meanwhile: only what is the same after a pause is wrong."""

    def __init__(self, redis: Redis, *, shards: int, patience: Patience, pause_s: float = 2.0) -> None:
        live, self._stored = Live(redis), Stored(redis)
        self._sessions = Sessions(live, self._stored)
        self._records = Records(self._stored)
        self._queue = Queue(live, patience)
        self._shards = set(range(shards))
        self._pause_s = pause_s

    async def examine(self) -> Seen:
        async with aclosing(self._stored.everything()) as everything:
            first = await self._look(everything)
        if first.findings:
            await asyncio.sleep(self._pause_s)
            second = await self._look(_batches({each.key for each in first.findings}))
            first.findings &= second.findings
            first.findings = await self._told_apart(first.findings)
        return first

    async def _look(self, names: AsyncIterable[list[bytes]]) -> Seen:
        seen = Seen()
        async for batch in names:
            ours = [key for key in batch if is_ours(key)]
            seen.keys += len(batch)
            seen.foreign += len(batch) - len(ours)
            known = [each for each in map(named, ours) if each is not None]
            seen.held |= _held(known)
            seen.recorded |= any(each.shape.life == "owner" for each in known)
            async with aclosing(self._look_at(ours)) as findings:
                seen.findings |= {finding async for finding in findings}
            if len(seen.findings) > _MOST:
                seen.cut = True
                break
        # The sessions first: who is asked to run since then is not found, and who was asked before is seen to run.
        asked = await self._look_at_queue(seen)
        seen.findings = {each for each in seen.findings if each.kind not in _UNASKED or each.session not in asked}
        return seen

    async def _look_at(self, batch: Sequence[bytes]) -> AsyncGenerator[Finding]:
        sound: list[Named] = []
        for key, look in zip(batch, await self._stored.looks(batch), strict=True):
            kind, known = of_key(key, look), named(key)
            if kind is not None:
                yield _about(kind, key, known)
            if known is not None and look.type == known.shape.type:
                sound.append(known)
                self._shards.update(int(place) for name, place in known.places.items() if name == "n")
        async for finding in self._sessions.look(sound):
            yield finding
        async for finding in self._records.look(sound):
            yield finding

    async def _look_at_queue(self, seen: Seen) -> set[SessionId]:
        """What is wrong with the queue is added; gives the sessions that somebody is asked to run."""
        asked: set[SessionId] = set()
        owners = {OwnerId(each.owner) for each in seen.findings if each.kind in _UNASKED}
        for shard in sorted(self._shards):
            names = [make(shard).encode() for make in (keys.runs, keys.accepting, keys.removing, keys.expiring)]
            if any(of_key(name, look) for name, look in zip(names, await self._stored.looks(names), strict=True)):
                continue
            asked |= await self._queue.asked(shard, owners)
            async with aclosing(
                self._queue.look(shard, {owner for place, owner in seen.held if place == shard})
            ) as findings:
                seen.findings |= {finding async for finding in findings}
        return asked

    async def _told_apart(self, findings: set[Finding]) -> set[Finding]:
        """Parts without a head may be all that is left of a session which its owner still has."""
        orphans = {each for each in findings if each.kind == "orphan-key"}
        recorded = await self._sessions.recorded({each.session for each in orphans}) if orphans else set[str]()
        headless = {each for each in orphans if each.session in recorded}
        return (findings - headless) | {replace(each, kind="headless-session") for each in headless}


def _held(known: Iterable[Named]) -> set[tuple[int, OwnerId]]:
    places = [each.places for each in known if each.shape.name == _HELD]
    return {(int(each["n"]), OwnerId(each["owner"])) for each in places}


def _about(kind: Kind, key: bytes, known: Named | None) -> Finding:
    places = {} if known is None else known.places
    return Finding(kind, key, places.get("sid", ""), places.get("owner", ""))


async def _batches(names: Iterable[bytes]) -> AsyncGenerator[list[bytes]]:
    rest = sorted(names)
    for start in range(0, len(rest), _BATCH):
        yield rest[start : start + _BATCH]
