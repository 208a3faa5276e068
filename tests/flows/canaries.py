"""Made-up secrets, and where to look for them, whatever they are disguised as."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tests.contents import contents, pieces
from tests.processes import children
from tests.service import KEY, Service

# With what JSON escapes, and what a URL would.
CANARY = 'sk-CANARY/4711"+=never\\to-be-seen'
PASSWORD = "pass-CANARY-4712-word"
NEW_KEY = base64.b64encode(b"n" * 32).decode()


def disguises(secret: str) -> set[bytes]:
    """What a secret may look like where it is not wanted: as it is, escaped, and in base64 at each alignment."""
    raw = secret.encode()
    escaped = secret.replace("\\", "\\\\").replace('"', '\\"')
    found = {
        raw,
        escaped.encode(),
        escaped.replace("/", "\\/").encode(),
        quote(secret, safe="").encode(),
        raw.hex().encode(),
    }
    found |= {repr(secret)[1:-1].encode(), raw[::-1], raw[4:-4]}
    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + raw)
        # The ends depend on the neighbours.
        inner = coded[4:-4]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def told(place: bytes | str) -> bool:
    """Whether there is a secret in it."""
    text = place.encode(errors="replace") if isinstance(place, str) else place
    return any(form in text for secret in (CANARY, PASSWORD) for form in disguises(secret))


def leaks(service: Service) -> list[str]:
    """Where the secrets are, that should be nowhere: log, Redis, command lines."""
    found = [line for line in entries(service.said()) if told(line) or KEY in line]
    kept = contents(service.redis_url)
    found += [f"{key!r}" for key, value in kept.items() if any(told(piece) for piece in (key, *pieces(value)))]
    return found + [line for line in command_lines(service.process.pid) if told(line) or KEY in line or NEW_KEY in line]


def entries(log: str) -> Iterator[str]:
    """The lines, and of those that are JSON what they say."""
    for line in log.splitlines():
        yield line
        if line.startswith("{"):
            yield "\n".join(json.loads(line).values())


def command_lines(pid: int) -> list[str]:
    """That of a process, and those of all below it."""
    own = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return [own, *(line for child in children(pid) for line in command_lines(child))]
