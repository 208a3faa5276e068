"""``POST /chat``: what a user says to an agent, or answers when it asks."""

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from agentsvc.domain.chat import ChatIn, ChatOut
from agentsvc.http.attempts import Attempt
from agentsvc.http.documents import of_owner
from agentsvc.http.identity import UserId
from agentsvc.services.chat import Chat


class ChatController(Controller):
    path = "/chat"
    tags = ("chat",)

    @post(
        "/",
        operation_id="send_chat",
        summary="Send messages or answers",
        status_code=200,
        responses=of_owner(404, 409, 429, body=True),
    )
    async def send(
        self,
        user_id: UserId,
        chat: NamedDependency[Chat],
        attempt: NamedDependency[Attempt],
        data: JSONBody[ChatIn],
    ) -> ChatOut:
        """Keep what was sent and have it answered. From now on it is not lost; the reply comes on the stream."""
        return await attempt.carry_out(lambda new_id: chat.send(user_id, data, new_id), ChatOut)
