"""``GET /health``: for load balancers and orchestrators, without a user."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec

from agentsvc.domain.health import Health
from agentsvc.http.documents import refusals
from agentsvc.services.health import HealthChecks

_NOT_READY = ResponseSpec(Health, generate_examples=False, description="Some part does not work, or all is to stop.")


class HealthController(Controller):
    path = "/health"
    tags = ("health",)

    @get("/", operation_id="get_health", summary="Well?", responses={**refusals(), 503: _NOT_READY})
    async def well(self, health: NamedDependency[HealthChecks]) -> Response[Health]:
        """The same as `/health/ready`, at the place where older clients look."""
        return await _ready(health)

    @get("/ready", operation_id="get_readiness", summary="Ready?", responses={**refusals(), 503: _NOT_READY})
    async def ready(self, health: NamedDependency[HealthChecks]) -> Response[Health]:
        """Whether this process can be sent requests: its parts answer and it is not about to stop."""
        return await _ready(health)

    @get("/live", operation_id="get_liveness", summary="Alive?", responses=refusals())
    async def live(self, health: NamedDependency[HealthChecks]) -> Health:
        """Whether this process is alive, whatever it depends on is."""
        return Health(status="ok", version=health.version)


async def _ready(health: HealthChecks) -> Response[Health]:
    found = await health.check()
    return Response(found, status_code=200 if found.status == "ok" else 503)
