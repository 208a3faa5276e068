"""A server on which the service may do only what it is allowed."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.redis_kinds.ports import free_ports
from tests.redis_kinds.server import Server, ended, program
from tests.redis_kinds.standalone import kept

_USER = "agentsvc"
_PASSWORD = "only-for-tests"


@dataclass(frozen=True)
class Acl:
    server: Server
    """Its URL is that of an operator, who may do everything."""
    address: str

    @property
    def url(self) -> str:
        """That of the service."""
        return f"redis://{_USER}:{_PASSWORD}@{self.address}"

    @property
    def nameless_url(self) -> str:
        return f"redis://{self.address}"


@contextmanager
def acl(rules: str, *, oldest: bool = True) -> Generator[Acl]:
    """It lives until the end of the block. ``rules`` as ``ACL SETUSER`` takes them, such as ``~{*}* &{*} +@read``."""
    with tempfile.TemporaryDirectory(prefix="agentsvc-acl-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        (port,) = free_ports(1)
        users = directory / "users.acl"
        users.write_text(
            "user default off\n"
            f"user operator on >{_PASSWORD} ~* &* +@all\n"
            f"user {_USER} on >{_PASSWORD} resetchannels {rules}\n"
        )
        place = ("--port", str(port), "--bind", "127.0.0.1", "--aclfile", str(users))
        command = [program(oldest=oldest), *place, *kept(directory)]
        address = f"127.0.0.1:{port}"
        server = Server("redis", f"redis://operator:{_PASSWORD}@{address}", command, directory)
        with ended([server]):
            server.start()
            yield Acl(server, address)
