"""The upper bound: ``apps/raw_app.py`` under Granian."""

from itertools import count
from typing import Any

from tests.bench.adapters.adapter import ROOT, Adapter, Command, Session
from tests.bench.wire import Http, Request


class Raw(Adapter):
    """Makes up its tokens itself. The variant ``batch`` sends all that is new in one write."""

    is_end = b'"END"'
    health = "/"
    has_model = False
    app = "raw_app"
    _numbers = count()

    def command(self, python: str, workers: int) -> Command:
        arguments = [
            *(python, "-m", "granian", f"tests.bench.apps.{self.app}:app", "--working-dir", str(ROOT)),
            *("--interface", "asgi", "--http", "1", "--loop", "uvloop", "--workers", str(workers)),
            *("--host", "127.0.0.1", "--port", str(self.place.port), "--backlog", "4096", "--log-level", "warning"),
        ]
        environment = {
            "BENCH_BATCH": str(int(self.variant == "batch")),
            "BENCH_MODEL": str(self.place.model_port),
            "BENCH_REDIS": str(self.place.redis_port),
        }
        return Command(arguments, environment)

    async def agent(self, http: Http, **settings: Any) -> str:
        return ""

    async def session(self, http: Http, agent: str, model: str = "fake") -> Session:
        return Session(f"s{next(self._numbers)}", agent)

    def chat(self, session: Session, text: str) -> Request:
        return "POST", f"/chat?{session.id}", {}, {"text": text}

    def stream(self, session: Session) -> Request:
        return "GET", f"/stream?{session.id}", {}, None


ADAPTER = Raw
