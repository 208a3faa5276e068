"""The work of ``agentsvc doctor``: examine, repair when that is wanted, report."""

from collections.abc import Iterable

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.doctor.examination import Examination
from agentsvc.doctor.findings import REMOVALS, Finding
from agentsvc.doctor.queue import Patience
from agentsvc.doctor.repair import Repair
from agentsvc.doctor.report import Line, Report, in_order, line_of
from agentsvc.kv.client import Redis
from agentsvc.settings import Settings
from agentsvc.storage.store import RedisStorage


async def check_up(settings: Settings, *, repair: bool, pause_s: float = 2.0) -> Report:
    """Nothing is changed unless ``repair`` says so. May run beside the service."""
    async with Redis(settings.redis_url or "") as redis:
        patience = Patience.of(settings.lease_s)
        seen = await Examination(redis, shards=settings.queue_shards, patience=patience, pause_s=pause_s).examine()
        findings = in_order(seen.findings)
        lines = (
            await _repaired(settings, redis, findings, recorded=seen.recorded)
            if repair and findings
            else [line_of(finding, repaired=None) for finding in findings]
        )
    return Report(keys=seen.keys, foreign=seen.foreign, recorded=seen.recorded, complete=not seen.cut, findings=lines)


async def _repaired(settings: Settings, redis: Redis, findings: Iterable[Finding], *, recorded: bool) -> list[Line]:
    """Nothing is removed where no owner has records: an app may keep them elsewhere."""
    url = settings.redis_url or ""
    bus = RedisMessageBus(
        url,
        lease_s=settings.lease_s,
        shards=settings.queue_shards,
        run_keep_s=settings.run_keep_s,
        max_runs_per_user=settings.max_runs_per_user,
    )
    async with RedisStorage(url) as storage, bus:
        repair = Repair(redis, storage, bus, run_keep_s=settings.run_keep_s, patience=Patience.of(settings.lease_s))
        return [
            line_of(finding, repaired=(recorded or finding.kind not in REMOVALS) and await repair.repair(finding))
            for finding in findings
        ]
