"""What keeps the commands of a workspace inside it: bubblewrap, else Landlock, else nothing.

What a command can and cannot do under each:

                              bubblewrap                   Landlock and seccomp              nothing
    files outside             invisible, except the        neither read nor written; that    as the server
                              system's, read-only          they exist can be seen, and
                                                           mode, owner and times of those
                                                           of the server's user changed
    /tmp, /dev/shm            its own, for one command     refused: TMPDIR is used           shared
    other processes           invisible                    not traced; names and arguments   as the server
                                                           hidden; signals only since
                                                           Linux 6.12 refused
    network                   shared or none               shared or none                    shared
    abstract unix sockets     reached when the network     refused                           reached
                              is shared
    unix sockets with a path  only those in the workspace  refused, also in the workspace    reached
    its own descendants       all end with it              all end with it, a fork bomb      all end with it, unless
                                                           only when it pauses               they kill their keeper
    memory                    limited for each process, not for all together
    processor, disk           not limited                  not limited                       not limited

There is no network unless it is to be shared. A shared one includes the loopback: what listens there without a
password is open to every command. Root is root without capabilities. The system is ``/usr`` with its programs and the
parts of ``/etc`` that programs need; a secret does not belong there.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from agentsvc.workspaces import jail

Confinement = Literal["bubblewrap", "landlock", "none"]

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_CONFIGURATION = tuple(
    f"/etc/{name}"
    for name in (
        *("passwd", "group", "nsswitch.conf", "hosts", "host.conf", "resolv.conf", "gai.conf", "protocols", "services"),
        *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "timezone", "os-release"),
        *("ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.cnf"),
        *("pki/ca-trust", "ca-certificates", "ca-certificates.conf", "crypto-policies", "mime.types", "magic"),
        *("bash.bashrc", "bashrc", "profile", "profile.d", "inputrc", "terminfo", "fonts", "perl", "java", "python3"),
    )
)
_OF_THE_SYSTEM = tuple(f"/proc/{name}" for name in ("cpuinfo", "meminfo", "stat", "uptime", "loadavg", "version"))
_DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
_PROBE_S = 10.0


class Sandbox(Struct, frozen=True, kw_only=True):
    """``readable`` are paths that commands may read beside the system's. ``bwrap`` is where bubblewrap is. ``memory``
    is what one process may have, in bytes.
    """

    name: Confinement
    network: bool = False
    readable: tuple[str, ...] = ()
    bwrap: str = ""
    memory: int = 4 * 1024**3

    @property
    def confined(self) -> bool:
        """Whether a command is kept from what is outside its workspace. If not, none should be offered."""
        return self.name != "none"

    def works(self) -> bool:
        """Try bubblewrap: containers and some distributions have it and yet refuse it what it needs."""
        command = [self.bwrap, *self._mounts("/usr"), "/bin/true"]
        try:
            return subprocess.run(command, capture_output=True, timeout=_PROBE_S, check=False).returncode == 0  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            return False

    def order(self, root: str, cwd: str, argv: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
        """What ``jail.py`` is told, but for ``stdin``. Raises ValueError for what no program can be given."""
        command = [_encoded(each) for each in argv]
        variables = {_encoded(name): _encoded(value) for name, value in env.items()}
        order: dict[str, Any] = {"argv": command, "env": variables, "cwd": cwd, "arguments": [], "grants": {}}
        order |= {"network": self.network, "memory": self.memory}
        match self.name:
            case "bubblewrap":
                # A shell, because bubblewrap itself does not tell a missing program by the exit code.
                inner = [b"/bin/sh", b"-c", b'exec "$@"', b"sh", *command]
                arguments = [*self._mounts(root), "--chdir", cwd, "--clearenv"]
                settings = [each for pair in variables.items() for each in (b"--setenv", *pair)]
                order |= {"argv": [os.fsencode(self.bwrap), b"--args", b"3", b"--", *inner], "env": {}, "cwd": "/"}
                order |= {"arguments": [*map(os.fsencode, arguments), *settings]}
            case "landlock":
                order |= {"grants": self._grants(root)}
            case "none":
                pass
        return order | {"cwd": os.fsencode(str(order["cwd"]))}

    def _mounts(self, root: str) -> list[str]:
        spaces = ["user-try", "ipc", "pid", "uts", "cgroup-try", *([] if self.network else ["net"])]
        return [
            *(f"--unshare-{each}" for each in spaces),
            *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *(word for path in _PROGRAMS for word in _as_it_is(path)),
            *(word for path in _CONFIGURATION for word in ("--ro-bind-try", path, path)),
            *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108 - the command's own
            # Only now: they and the root may lie under what has just been hidden.
            *(word for path in self.readable for word in ("--ro-bind-try", path, path)),
            *("--bind", root, root),
        ]

    def _grants(self, root: str) -> dict[str, list[bytes]]:
        readable = (*_PROGRAMS, *_CONFIGURATION, *_OF_THE_SYSTEM, *self.readable)
        grants = {"readable": readable, "writable": (root,), "devices": _DEVICES}
        return {kind: [os.fsencode(path) for path in paths] for kind, paths in grants.items()}


def choose_sandbox(*, network: bool = False, readable: Sequence[str] = ()) -> Sandbox:
    """The best that works on this machine. It is tried, which takes some milliseconds."""
    found = shutil.which("bwrap")
    best = Sandbox(name="bubblewrap", network=network, readable=tuple(readable), bwrap=found or "")
    if found is not None and best.works():
        return best
    if jail.landlock_version() >= jail.OLDEST_LANDLOCK and os.uname().machine in jail.MACHINES:
        return Sandbox(name="landlock", network=network, readable=tuple(readable))
    return Sandbox(name="none", network=network, readable=tuple(readable))


def _as_it_is(path: str) -> tuple[str, ...]:
    """``/bin`` is a link to ``/usr/bin`` on most systems, and a directory on others."""
    if os.path.islink(path):  # noqa: PTH114 - a plain path of the system
        return ("--symlink", os.readlink(path), path)  # noqa: PTH115
    return ("--ro-bind-try", path, path)


def _encoded(text: str) -> bytes:
    if "\0" in text:
        raise ValueError("neither an argument nor a variable of a program can hold a NUL")
    return os.fsencode(text)
