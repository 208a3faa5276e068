"""Words of the service inside a conversation, marked so that a model can tell them from those of people."""

from html import escape

from agentsvc.domain.messages import DataBlock, Msg, TextBlock

REMINDER = "system-reminder"
INFO = "system-info"


def reminder(text: str) -> str:
    """A fact of the moment."""
    return f"<{REMINDER}>{text}</{REMINDER}>"


def info(text: str) -> str:
    """A fact about the conversation itself."""
    return f"<{INFO}>{text}</{INFO}>"


def quoted(text: str) -> str:
    """Text from outside, which cannot end the notice that it stands in."""
    return escape(text, quote=False)


def notice(content: str | list[TextBlock | DataBlock]) -> Msg:
    """A message that is made anew for each request, and always the same for the same content."""
    blocks = [TextBlock(id="notice", created_at="", text=content)] if isinstance(content, str) else content
    return Msg(id="notice", name="user", role="user", content=list(blocks), created_at="")
