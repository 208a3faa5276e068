"""A server in a container. ``python -m tests.redis_kinds.containers`` says whether there is an engine that runs it."""

import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import redis
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from tests.redis_kinds.ports import free_ports
from tests.redis_kinds.server import DEBIAN, program, until

_PORT = 6379


@dataclass(frozen=True)
class Image:
    """``name`` is pulled. Where that cannot be done, an image is made of ``local``, a program of this machine."""

    name: str
    server: str
    local: str | None


REDIS = Image("redis:7.0-alpine", "redis-server", DEBIAN)
VALKEY = Image("valkey/valkey:9-alpine", "valkey-server", program())


@dataclass(frozen=True)
class Container:
    url: str


@contextmanager
def container(*arguments: str, image: Image) -> Generator[Container]:
    """It lives until the end of the block; ``arguments`` are added to the command line of the server."""
    testcontainers_config.ryuk_disabled = True  # one more image, which may not be there: the block ends what it starts
    engine = docker.from_env()
    made: Any = DockerContainer(_named(engine, image))
    if bridged := any(network.name == "bridge" for network in engine.networks.list()):
        port, bind = _PORT, "0.0.0.0"
        made.ports[f"{_PORT}/tcp"] = ("127.0.0.1", None)
    else:
        (port,), bind = free_ports(1), "127.0.0.1"
        made.with_kwargs(network_mode="host")
    place = ("--port", str(port), "--bind", bind, "--protected-mode", "no")
    made.with_command([image.server, *place, "--save", "", *arguments])
    with made:
        url = f"redis://127.0.0.1:{made.get_exposed_port(_PORT) if bridged else port}"
        with redis.Redis.from_url(url) as client:
            until(client.ping, f"{image.name} answers")
        yield Container(url)


def _named(engine: Any, image: Image) -> str:
    """The name of an image that is there. What was made here before is taken again."""
    own = f"agentsvc-tests/{image.server}"
    for name in (image.name, f"{own}:latest"):
        try:
            engine.images.get(name)
        except ImageNotFound:
            continue
        return name
    try:
        engine.images.pull(image.name)
    except DockerException:
        if image.local is None:
            raise
        engine.api.import_image_from_data(_packed(Path(image.local), image.server), repository=own, tag="latest")
        return f"{own}:latest"
    return image.name


def _packed(server: Path, name: str) -> bytes:
    """An archive of a root directory with one program and the libraries that it is linked to."""
    linked = subprocess.run([shutil.which("ldd") or "ldd", server], capture_output=True, text=True, check=False).stdout
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(server.resolve(), f"usr/bin/{name}")
        for library in sorted(set(re.findall(r"(/\S+)", linked))):
            if Path(library) != server:
                archive.add(Path(library).resolve(), library.lstrip("/"))
        directory = tarfile.TarInfo("tmp")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(directory)
    return packed.getvalue()


def missing() -> str | None:
    """Why there is no engine; none when there is one."""
    try:
        docker.from_env().ping()
    except DockerException as error:
        return str(error)
    return None


if __name__ == "__main__":
    if reason := missing():
        sys.exit(f"No container engine answers, so nothing is run in containers: {reason}")
