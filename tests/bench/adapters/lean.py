"""The bound that can be reached: ``apps/lean_app.py``."""

from tests.bench.adapters.raw import Raw


class Lean(Raw):
    """Reads the model, keeps a journal in Redis and serves subscribers, and nothing else."""

    has_model = True
    app = "lean_app"


ADAPTER = Lean
