"""The model cards that come with the service: one YAML file for each model, in a folder for each provider."""

from pathlib import Path

from msgspec import Struct

from agentsvc.domain.models import ModelCard

_PACKAGE = Path(__file__).parents[1]


def card_folder(provider: str) -> Path:
    """Where the cards of a provider lie: inside an installed package, beside it in a checkout."""
    inside = _PACKAGE / "model_cards"
    return (inside if inside.is_dir() else _PACKAGE.parent / "model_cards") / provider


def read_cards(folder: Path, parameters: type[Struct], provider: str) -> tuple[ModelCard, ...]:
    """All cards of a folder, by file name. Raises ``ValueError``, which names the file that is wrong."""
    return tuple(ModelCard.from_yaml(path, parameters, provider) for path in sorted(folder.glob("*.yaml")))
