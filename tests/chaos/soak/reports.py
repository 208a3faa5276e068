"""What is printed of a story, so that somebody who was not there can find out what went wrong."""

from collections import Counter
from collections.abc import Iterator, Sequence

from agentsvc.domain.events import Event, ReplyEnd
from tests.chaos.soak.story import Story
from tests.chaos.soak.verdicts import Disagreement

_MOST = 5  # sessions that are told of at length
_LONGEST = 400  # lines of a diary or a log


def summary(story: Story) -> str:
    said = [each for client in story.clients for each in client.said]
    events = [event for client in story.clients for event in client.watcher.events]
    lives = sum(client.watcher.lives for client in story.clients)
    ends = Counter(_end(event) for event in events if isinstance(event, ReplyEnd))
    return (
        f"{sum(each.kept or False for each in said)} of {len(said)} messages kept, {len(events)} events, "
        f"{lives} lives of watchers\nreplies: {_counts(ends)}\nwhat went wrong: {_counts(_deeds(story))}"
    )


def _end(event: ReplyEnd) -> str:
    discarded = " and discarded" if event.metadata.get("discarded") else ""
    return f"{event.finished_reason}{discarded} {event.error.message if event.error else ''}".strip()


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items()))


def report(story: Story, found: Sequence[Disagreement]) -> str:
    """All disagreements; then for some sessions what their clients did, and the part of the log in question."""
    told = [f"{each.session or 'all'}: {each.what}" for each in found]
    names = list(dict.fromkeys(each.session for each in found if each.session))
    by_name = {client.name: client for client in story.clients}
    for name in names[:_MOST]:
        places = [each.place for each in found if each.session == name]
        told += [f"\n== {name}, session {by_name[name].talk.session_id}", *story.diary.about(name)[-_LONGEST:]]
        told += [f"-- its log, {place or 'the end'}" for place in places[:1]]
        told += list(excerpt(by_name[name].watcher.events, places[0]))[-_LONGEST:]
    told += ["\n== what went wrong", *(line for line in story.diary.lines if _is_deed(line))]
    told += ["\n== tracebacks of the services", *story.fleet.tracebacks()]
    if any(not each.session for each in found):
        told += [f"\n== last words\n{log[-1000:]}" for member in story.fleet.members for log in member.logs]
    return "\n".join(told)


def excerpt(events: Sequence[Event], place: str) -> Iterator[str]:
    """The events of one reply or with one id in them, else all; deltas of one block are one line."""
    before = ("", "")
    for event in events:
        told = repr(event)
        if place not in told:
            continue
        kind = (type(event).__name__, getattr(event, "block_id", ""))
        if "Delta" in kind[0] and kind == before:
            continue
        before = kind
        yield f"{event.id:>6} {told[:300]}"


def _deeds(story: Story) -> Counter[str]:
    return Counter(" ".join(line.split()[1:3]) for line in story.diary.lines if _is_deed(line))


def _is_deed(line: str) -> bool:
    return any(word in line for word in ("kill -9", "SIG", "CLIENT KILL"))
