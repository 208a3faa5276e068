"""A provider that knows which messages it has heard."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.openai_scripts import Script
from tests.fakes.openai_server import OpenAIServer

_NAME = re.compile(r"\bs\d+-\d+(?=: )")


@dataclass
class Hearing(OpenAIServer):
    """``heard`` holds the ids of all messages that were part of a request. Requests are not kept."""

    heard: set[str] = field(default_factory=set)

    def _next(self, body: dict[str, Any]) -> Script:
        self.requests.clear()
        self.heard.update(_NAME.findall(json.dumps(body["messages"])))
        return super()._next(body)
