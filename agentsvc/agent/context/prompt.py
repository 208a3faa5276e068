"""What a model is shown of a conversation. The same input gives the same messages, and what is old stays in front."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from agentsvc.agent.context.history import repair
from agentsvc.agent.context.notices import notice, reminder
from agentsvc.domain.messages import DataBlock, HintBlock, Msg, TextBlock, ToolResultBlock

_GO_ON = reminder("Your answer so far ends here. Go on from there, without saying it again.")


class View(NamedTuple):
    """``breakpoints`` are messages after which a provider may cache: their beginnings stay as they are."""

    messages: list[Msg]
    breakpoints: tuple[int, ...]


def view(
    system_prompt: str,
    summary: str | list[TextBlock | DataBlock],
    messages: Sequence[Msg],
    repaired: Callable[[Sequence[Msg]], list[Msg]] = repair,
) -> View:
    """The system prompt, the summary and what is visible of the context.

    ``repaired`` may be a ``Repair``, which remembers what it has seen.
    """
    fixed = [system_message(system_prompt)] if system_prompt else []
    if summary:
        fixed.append(notice(summary))
    shown = [*fixed, *repaired(messages)]
    if _ends_in_answer(shown):
        shown.append(notice(_GO_ON))
    return View(shown, _breakpoints(len(fixed), shown))


def system_message(prompt: str) -> Msg:
    content = [TextBlock(id="system", created_at="", text=prompt)]
    return Msg(id="system", name="system", role="system", content=list(content), created_at="")


def _ends_in_answer(messages: Sequence[Msg]) -> bool:
    """Some providers take no request that ends with words of the model."""
    if not messages or messages[-1].role != "assistant":
        return False
    return not isinstance(messages[-1].content[-1], ToolResultBlock | HintBlock)


def _breakpoints(fixed: int, messages: Sequence[Msg]) -> tuple[int, ...]:
    """After what never changes, before the reply that grows, and at the end. Some providers take four."""
    end = len(messages) - 1
    growing = next((place for place in range(end, -1, -1) if messages[place].role != "assistant"), end)
    return tuple(sorted({place for place in (fixed - 1, growing, end) if place >= 0}))
