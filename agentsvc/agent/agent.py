"""An agent, ready to reply, and the hooks around what it does."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentsvc.agent.context.offload import Offload
from agentsvc.agent.model import ChatModelBase, ModelDelta
from agentsvc.agent.permissions import Decision
from agentsvc.agent.tool import ToolBase, ToolChunk
from agentsvc.agent.toolkit import Toolkit
from agentsvc.agent.tools import Tools
from agentsvc.domain.agents import ApprovalConfig, ContextConfig, InjectionConfig, ReActConfig
from agentsvc.domain.events import Event
from agentsvc.domain.permissions import PermissionContext
from agentsvc.domain.states import AgentState

Handler = Callable[..., Any]


class AgentMiddleware:
    """Override the hooks you need.

    A hook is given the agent, the keyword arguments of what it wraps, and the next handler: ``next_handler(**changes)``
    goes on with the arguments as they are, changed as said. The first middleware is the outermost. One object may serve
    many replies at once: keep nothing of a reply on it.
    """

    def on_reply(self, agent: "Agent", input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Event]:
        """Around a whole reply: an async generator of its events. A ``REPLY_END`` kept back asks for another round."""
        raise NotImplementedError

    def on_reasoning(self, agent: "Agent", input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Event]:
        """Around one call of the model (``tool_choice``): an async generator of the events that the answer makes."""
        raise NotImplementedError

    def on_model_call(
        self, agent: "Agent", input_kwargs: dict[str, Any], next_handler: Handler
    ) -> Awaitable[AsyncIterator[ModelDelta]]:
        """Around one request to one model (``current_model``, ``messages``, ``tools``, ``tool_choice``)."""
        raise NotImplementedError

    def on_check_permission(
        self, agent: "Agent", input_kwargs: dict[str, Any], next_handler: Handler
    ) -> Awaitable[Decision]:
        """Around the judgement of one call (``tool_call``, ``tool``, ``tool_input``, a copy), also one that a person
        has allowed: a denial still counts then.
        """
        raise NotImplementedError

    def on_acting(
        self, agent: "Agent", input_kwargs: dict[str, Any], next_handler: Handler
    ) -> AsyncIterator[ToolChunk]:
        """Around one run of one tool (``tool_call``): an async generator of what the tool gives."""
        raise NotImplementedError

    def on_compress_context(
        self, agent: "Agent", input_kwargs: dict[str, Any], next_handler: Handler
    ) -> Awaitable[AgentState]:
        """Around the compression of a conversation that has become too long (``context_config``): gives the state with
        a shorter context.
        """
        raise NotImplementedError

    def on_system_prompt(self, agent: "Agent", current_prompt: str) -> Awaitable[str]:
        """The system prompt of the next model call, made of the current one."""
        raise NotImplementedError

    async def list_tools(self) -> Sequence[ToolBase]:
        """Tools that come with the middleware."""
        return ()


@dataclass(frozen=True)
class Agent:
    """``fallback`` answers when ``model`` cannot be reached; nothing of a conversation is kept here.

    ``instructions`` say what the workspace is like. ``permissions`` are rules and directories that hold beside those of
    the state. ``offload`` keeps what is too long to be shown.
    """

    name: str
    system_prompt: str
    model: ChatModelBase
    fallback: ChatModelBase | None = None
    toolkit: Toolkit = field(default_factory=Toolkit)
    middlewares: Sequence[AgentMiddleware] = ()
    config: ReActConfig = ReActConfig()  # noqa: RUF009 - frozen
    instructions: str = ""
    offload: Offload | None = None
    context_config: ContextConfig = ContextConfig()  # noqa: RUF009 - frozen
    injection_config: InjectionConfig = field(default_factory=lambda: InjectionConfig(inject_runtime_state=False))
    permissions: PermissionContext = PermissionContext()  # noqa: RUF009 - frozen
    approval_config: ApprovalConfig = ApprovalConfig()  # noqa: RUF009 - frozen

    @property
    def models(self) -> Sequence[ChatModelBase]:
        """Those to try, in this order."""
        return (self.model,) if self.fallback is None else (self.model, self.fallback)

    async def prompt(self, tools: Tools) -> str:
        """The system prompt, with the skills and the workspace, as the middlewares want it now."""
        prompt = "\n\n".join(part for part in (self.system_prompt, tools.skills, self.instructions) if part)
        for middleware in self._implementing("on_system_prompt"):
            prompt = await middleware.on_system_prompt(self, prompt)
        return prompt

    def around(self, hook: str, innermost: Handler) -> Handler:
        """A handler with the middlewares' hook around it; handlers take keyword arguments."""
        handler = innermost
        for middleware in reversed(self._implementing(hook)):
            handler = self._layer(getattr(middleware, hook), handler)
        return handler

    def _implementing(self, hook: str) -> list[AgentMiddleware]:
        return [each for each in self.middlewares if getattr(type(each), hook) is not getattr(AgentMiddleware, hook)]

    def _layer(self, hook: Handler, inner: Handler) -> Handler:
        def call(**kwargs: Any) -> Any:
            def next_handler(**changes: Any) -> Any:
                return inner(**{**kwargs, **changes})

            return hook(self, kwargs, next_handler)

        return call
