"""How the parts are set up."""

from pathlib import Path

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.settings import Settings
from agentsvc.storage.store import RedisStorage
from agentsvc.variables import SettingsError
from agentsvc.wiring import Given, grace_of, open_parts


@pytest.mark.parametrize("brought", ["storage", "bus"])
async def test_who_brings_a_redis_brings_the_keys_for_its_secrets(redis_url: str, tmp_path: Path, brought: str):
    given = Given(storage=RedisStorage(redis_url)) if brought == "storage" else Given(bus=RedisMessageBus(redis_url))

    with pytest.raises(SettingsError, match="AGENTSVC_SECRET_KEYS is needed"):
        async with open_parts(Settings(data_dir=str(tmp_path)), given, version="0"):
            pass

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("drain_s", "grace_s"), [(10.0, 8.0), (4.0, 2.0), (3.0, 1.5), (0.1, 0.05)])
def test_runs_leave_room_to_be_handed_over(drain_s: float, grace_s: float):
    assert grace_of(drain_s) == pytest.approx(grace_s)
