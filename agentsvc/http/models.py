"""``GET /model``: which models there are."""

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from msgspec import Struct

from agentsvc.domain.models import ModelCard
from agentsvc.http.documents import refusals
from agentsvc.services.models import Models


class ModelList(Struct, frozen=True, kw_only=True):
    models: list[ModelCard]
    total: int


class ModelController(Controller):
    """Needs no user."""

    path = "/model"
    tags = ("models",)

    @get("/", operation_id="list_models", summary="List models", responses=refusals(404, 422))
    async def page(self, models: NamedDependency[Models], provider: FromQuery[str]) -> ModelList:
        """The models of a provider, which is named by the type of its credentials."""
        cards = list(models.of(provider))
        return ModelList(models=cards, total=len(cards))
