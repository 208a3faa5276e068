"""The work of ``agentsvc rotate-keys``: open the storage, seal everything anew."""

from agentsvc.kv.client import Redis
from agentsvc.settings import Settings
from agentsvc.storage.rotation import Rotation
from agentsvc.storage.rotation import rotate as seal_anew
from agentsvc.storage.vault import Keyring


async def rotate(settings: Settings) -> Rotation:
    """How many secrets were sealed with the first key, were already, and could not be opened."""
    async with Redis(settings.redis_url or "") as redis:
        return await seal_anew(redis, Keyring(settings.secret_keys))
