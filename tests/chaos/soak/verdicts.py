"""What must hold when everything has come to rest: each function tells where it does not."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from agentsvc.domain.events import STREAM_GAP, ReplyEnd, ReplyStart
from agentsvc.domain.messages import Msg, ToolCallBlock, ToolResultBlock
from tests.chaos.soak.clients import ANSWER, Client, Said
from tests.service import replies

_UNSAFE = ("once", "deploy")
_TRACED = (*_UNSAFE, "again")
_CLOSED = ("interrupted", "exceeded", "error")


@dataclass(frozen=True)
class Disagreement:
    """``session`` is the name of the client, ``place`` what to look for in its log."""

    session: str
    what: str
    place: str = ""


@dataclass(frozen=True)
class Evidence:
    """Of one session. ``heard`` are the messages that the model has heard, ``statuses`` those of the runs of others."""

    client: Client
    transcript: Sequence[Msg]
    heard: frozenset[str]
    statuses: dict[str, str]
    done: Counter[str]
    """What the tools of all sessions did, ``name mark``."""

    @property
    def replies(self) -> list[Msg]:
        return [each for each in self.transcript if each.role == "assistant"]


def judge(evidence: Evidence) -> list[Disagreement]:
    """Everything about one session."""
    verdicts = (kept_once, answered, dense, closed, folded, ran_once, finished_have_run)
    session = evidence.client.name
    return [Disagreement(session, what, place) for verdict in verdicts for what, place in verdict(evidence)]


Found = Iterator[tuple[str, str]]


def kept_once(evidence: Evidence) -> Found:
    """What was accepted is in the transcript once, in it is nothing else, and each id is there once."""
    ids = Counter(each.id for each in evidence.transcript)
    for said in evidence.client.said:
        if ids[said.id] != (1 if said.kept else 0):
            yield f"{said.id} was {'kept' if said.kept else 'refused'} and is there {ids[said.id]} times", said.id
    known = {said.id for said in evidence.client.said}
    for each in evidence.transcript:
        if ids[each.id] > 1 or (each.role == "user" and each.id not in known):
            yield f"{each.role} {each.id} is there {ids[each.id]} times, and nobody said it so", each.id


def answered(evidence: Evidence) -> Found:
    """Each was heard by the model, or its run has ended with a reason; none was answered twice."""
    answers = Counter(re.findall(rf"{ANSWER}(s\d+-\d+)\b", "\n".join(each.text() or "" for each in evidence.replies)))
    for said in evidence.client.said:
        if said.kept and said.id not in evidence.heard and evidence.statuses.get(said.id) not in _CLOSED:
            yield f"{said.id} was never heard, and its run is {evidence.statuses.get(said.id)!r}", said.id
        if answers[said.id] > 1:
            yield f"{said.id} was answered {answers[said.id]} times", said.id


def dense(evidence: Evidence) -> Found:
    """The client has seen each event once and in order."""
    watcher = evidence.client.watcher
    expected = list(range(1, len(watcher.seqs) + 1))
    if watcher.seqs != expected:
        pairs = zip(watcher.seqs, expected, strict=True)
        yield f"the stream is not dense: {next(pair for pair in pairs if pair[0] != pair[1])}", ""
    if STREAM_GAP in watcher.notices:
        yield "a client that was never long away was told of a gap", ""


def closed(evidence: Evidence) -> Found:
    """What has begun has ended, once."""
    events = evidence.client.watcher.events
    begun = {each.reply_id for each in events if isinstance(each, ReplyStart)}
    ended = Counter(each.reply_id for each in events if isinstance(each, ReplyEnd))
    for reply_id in begun | ended.keys():
        if ended[reply_id] != 1 or reply_id not in begun:
            yield f"reply {reply_id} has ended {ended[reply_id]} times", reply_id


def folded(evidence: Evidence) -> Found:
    """What the client makes of its stream is the transcript."""
    events = evidence.client.watcher.events
    dropped = {each.reply_id for each in events if isinstance(each, ReplyEnd) and each.metadata.get("discarded")}
    seen = {each.id: each for each in replies(events) if each.id not in dropped}
    kept = {each.id: each for each in evidence.replies}
    for reply_id in {**seen, **kept}:
        if seen.get(reply_id) != kept.get(reply_id):
            told = [msgspec.json.encode(each.get(reply_id)).decode() for each in (seen, kept)]
            yield "the fold and the transcript differ:\n    {}\n    {}".format(*told), reply_id
    if list(seen) != list(kept):
        yield "replies are in another order in the transcript", ""


def ran_once(evidence: Evidence) -> Found:
    """No call that may not be repeated was made twice."""
    for said in evidence.client.said:
        for name in _UNSAFE:
            if evidence.done[f"{name} {said.id}"] > 1:
                yield f"{name} of {said.id} ran {evidence.done[f'{name} {said.id}']} times", said.id


def finished_have_run(evidence: Evidence) -> Found:
    """A call with a result was made, one that was denied was not."""
    for reply in evidence.replies:
        calls = {block.id: block for block in reply.content if isinstance(block, ToolCallBlock)}
        for result in reply.content:
            if isinstance(result, ToolResultBlock) and result.name in _TRACED:
                mark = msgspec.json.decode(calls[result.id].input)["mark"]
                count = evidence.done[f"{result.name} {mark}"]
                if (result.state == "success" and not count) or (result.state == "denied" and count):
                    yield f"{result.name} of {mark} is {result.state} and ran {count} times", reply.id


def unheard(said: Sequence[Said], heard: set[str]) -> list[Said]:
    """Those whose runs have to be looked at."""
    return [each for each in said if each.kept and each.id not in heard]
