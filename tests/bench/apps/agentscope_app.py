"""Starts the reference in its plain form on Redis."""

import os
import sys
from importlib import import_module

# By name: it is installed in an environment of its own, where nothing of this package is.
_place = {"host": "127.0.0.1", "port": int(os.environ["BENCH_REDIS"])}
if os.environ["BENCH_TUNED"] == "1":
    _place["max_connections"] = 20_000
else:
    sys.modules["hiredis"] = None  # type: ignore[assignment]  # as installed: it does not bring hiredis

_app = import_module("agentscope.app")

app = _app.create_app(
    storage=import_module("agentscope.app.storage").RedisStorage(**_place),
    message_bus=import_module("agentscope.app.message_bus").RedisMessageBus(**_place),
    workspace_manager=import_module("agentscope.app.workspace_manager").LocalWorkspaceManager(
        basedir=os.environ["BENCH_DIRECTORY"]
    ),
)
