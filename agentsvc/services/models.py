"""Models: what can be chosen once there is a credential."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentsvc.domain.models import ModelCard
from agentsvc.models.catalog import ModelCatalog


@dataclass(frozen=True)
class Models:
    catalog: ModelCatalog

    def of(self, provider: str) -> Sequence[ModelCard]:
        """The cards of a credential type. Raises NotFound for a type that nobody registered."""
        return self.catalog.cards(provider)
