"""What is wrong and what is not: decisions about what was seen, without looking themselves."""

from agentsvc.bus.survey import Consumer, Standing
from agentsvc.doctor.findings import Kind
from agentsvc.doctor.shapes import named
from agentsvc.storage.survey import Look


def of_key(key: bytes, look: Look) -> Kind | None:
    """Whether a key of the service may be there like this. What is gone by now is well."""
    if look.type == "none":
        return None
    known = named(key)
    if known is None:
        return "unknown-key"
    if look.type != known.shape.type:
        return "wrong-type"
    return "immortal-key" if known.shape.life == "expires" and look.life_ms < 0 else None


def of_standing(standing: Standing, *, recorded: bool) -> Kind | None:
    """Whether a session may stand like this, when nobody is asked to run it; ``recorded``: its owner has a record.

    A holder that lives cannot leave without looking at what waits.
    """
    if standing.retired:
        return "retired-session"
    if not recorded:
        return "unowned-session"
    if standing.held:
        return None
    if standing.running:
        return "stuck-run"
    return "stranded-inbox" if standing.oldest else None


def of_consumer(consumer: Consumer, silent_ms: int) -> Kind | None:
    """Whether a worker is still to be known: one that drains reads no more. What it had claimed is found by itself."""
    return "silent-worker" if consumer.idle_ms > silent_ms and not consumer.present else None
