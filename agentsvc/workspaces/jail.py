"""Runs one command of a workspace, and sees to it that nothing of it outlives this program.

It is started by its path, imports nothing of the house and belongs to the server that started it. What to run comes on
standard input, which then stays open: when it ends, because the server says so or is gone, everything is killed.
It ends with the command's exit code, 128 + n for signal n, or 125 when it could not do its own work.
"""

import ctypes
import errno
import marshal
import os
import resource
import select
import signal
import struct
import sys

_OWN_FAILURE, _NOT_RUNNABLE, _NOT_FOUND = 125, 126, 127
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_PAUSE = 0.02  # seconds between two looks at children that are being killed

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_libc = ctypes.CDLL(None, use_errno=True)

# From linux/landlock.h.
OLDEST_LANDLOCK = 3  # Linux 6.2: before that, files anywhere could be truncated
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF, _PATH_BENEATH = 444, 445, 446, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_RIGHTS = {
    "readable": _EXECUTE | _READ_FILE | _READ_DIR,
    "writable": 0xFFFF & ~(_MAKE_CHAR | _MAKE_BLOCK),
    "devices": _READ_FILE | _WRITE_FILE | _IOCTL,
}
_SCOPES = 0b11  # abstract unix sockets, signals

# From linux/seccomp.h and linux/audit.h. By machine: architecture, socket, io_uring_setup.
MACHINES = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
_X32 = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_FAMILIES = (2, 10, 16)  # IPv4, IPv6, and the netlink that looks names and addresses up


def landlock_version() -> int:
    """0 where there is none."""
    return max(int(_libc.syscall(_CREATE_RULESET, None, 0, 1)), 0) if sys.platform == "linux" else 0


class Order:
    """``stdin`` is a descriptor, None for nothing to read. ``arguments`` are read from descriptor 3. ``memory`` is in
    bytes, for each process.
    """

    def __init__(
        self,
        *,
        argv: list[bytes],
        env: dict[bytes, bytes],
        cwd: bytes,
        stdin: int | None,
        arguments: list[bytes],
        grants: dict[str, list[bytes]],
        network: bool,
        memory: int,
    ) -> None:
        self.memory = memory
        self.argv, self.env, self.cwd = argv, env, cwd
        self.stdin, self.arguments = stdin, arguments
        self.grants, self.network = grants, network


def main() -> None:
    order = Order(**marshal.load(sys.stdin.buffer))  # noqa: S302 - the very same interpreter wrote it
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake, wake_signal = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(wake_signal, False)
    signal.set_wakeup_fd(wake_signal)
    signal.signal(signal.SIGCHLD, _wake_up)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _become(order, parent)
    code = _watch(child, wake)
    _end_all(child, wake)
    os._exit(code)


def _wake_up(*_: object) -> None:
    """The signal is heard through its descriptor; without a handler it would be dropped."""


def _watch(child: int, wake: int) -> int:
    """Until the command has ended, or the server has let go."""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        _drain(wake)
        while (ended := _reap())[0] > 0:
            if ended[0] == child:
                return _told(ended[1])
        if 0 in ready and not os.read(0, 4096):
            return 128 + signal.SIGKILL


def _end_all(child: int, wake: int) -> None:
    """Kill children until none is left. A process whose parent is killed becomes a child: none can get away.

    Only children are killed: the id of a child is not given to another process before it is collected here.
    """
    while (ended := _reap())[0] >= 0:
        if ended[0] == 0:
            for each in _children() if sys.platform == "linux" else [-child]:
                _kill(each)
            select.select([wake], [], [], _PAUSE)
            _drain(wake)


def _reap() -> tuple[int, int]:
    """A child that has ended and how; 0 when none has, -1 when there is none."""
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return -1, 0


def _children() -> list[int]:
    here = str(os.getpid()).encode()
    pids = (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal())
    return [pid for pid in pids if _parent_of(pid) == here]


def _parent_of(pid: int) -> bytes:
    try:
        stat = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(stat, 4096).rpartition(b")")[2].split()[1]
    except (OSError, IndexError):
        return b""
    finally:
        os.close(stat)


def _kill(pid: int) -> None:
    try:  # noqa: SIM105 - contextlib is one more module to import at every command
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _told(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _drain(wake: int) -> None:
    try:
        while os.read(wake, 4096):
            pass
    except BlockingIOError:
        pass


def _become(order: Order, parent: int) -> None:
    """In the child: be the command, confined, or say why not. Never returns."""
    code = _OWN_FAILURE
    try:
        _prepare(order, parent)
        code = _NOT_RUNNABLE
        _execute(order.argv, order.env)
    except OSError as error:
        if code == _NOT_RUNNABLE and error.errno in _ABSENT:
            code = _NOT_FOUND
        os.write(2, order.argv[0] + b": " + (error.strerror or "failed").lower().encode() + b"\n")
    finally:
        os._exit(code)


def _execute(argv: list[bytes], env: dict[bytes, bytes]) -> None:
    """As ``os.execvpe``, which cannot be used here: it would import a module, and that may be out of reach by now."""
    name = argv[0]
    failure = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for directory in env.get(b"PATH", b"").split(b":") if b"/" not in name else [b""]:
        try:
            os.execve(directory + b"/" + name if directory else name, argv, env)  # noqa: S606 - there is no shell between
        except OSError as error:
            if error.errno not in _ABSENT:
                failure = error
    raise failure


def _prepare(order: Order, parent: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_OWN_FAILURE)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _use_descriptors(order)
    resource.setrlimit(resource.RLIMIT_DATA, (order.memory, order.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.chdir(order.cwd)
    if order.grants:
        _confine(order.grants, network=order.network)


def _use_descriptors(order: Order) -> None:
    """0 is what the command reads, 1 and 2 what it writes; 3, if anything, the arguments of bubblewrap."""
    os.dup2(order.stdin if order.stdin is not None else os.open(os.devnull, os.O_RDONLY), 0)
    if order.arguments:
        arguments = os.memfd_create("arguments", 0)
        os.write(arguments, b"".join(each + b"\0" for each in order.arguments))
        os.lseek(arguments, 0, os.SEEK_SET)
        os.dup2(arguments, 3)
    os.closerange(4 if order.arguments else 3, os.sysconf("SC_OPEN_MAX"))


def _confine(grants: dict[str, list[bytes]], *, network: bool) -> None:
    """Give up everything but these files, and all sockets that could reach the server beside the network."""
    version = landlock_version()
    if version < OLDEST_LANDLOCK:
        raise OSError(errno.ENOSYS, "this kernel cannot confine a command")
    known = (1 << (15 if version < 5 else 16)) - 1
    attributes = struct.pack("=QQQ", known, 0, _SCOPES)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    for kind, paths in grants.items():
        for path in paths:
            _grant(ruleset, path, _RIGHTS[kind] & known)
    _checked(_prctl(_PR_SET_NO_NEW_PRIVS, 1))
    _drop_capabilities()
    _checked(_libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    _filter_sockets(network=network)


def _grant(ruleset: int, path: bytes, rights: int) -> None:
    """Of what is not there nothing is granted."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):  # noqa: PTH112 - the paths are bytes
        rights &= _OF_FILES
    rule = struct.pack("=Qi", rights, handle)
    _checked(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    os.close(handle)


def _drop_capabilities() -> None:
    """So that root is only the owner of root's files."""
    for capability in range(64):
        _prctl(_PR_CAPBSET_DROP, capability)
    header, none = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *[0] * 6)
    _checked(_libc.capset(header, none))


def _filter_sockets(*, network: bool) -> None:
    """Landlock does not know unix sockets that have a path: the server's own could be reached through one."""
    arch, socket, io_uring_setup = MACHINES[os.uname().machine]
    denied, unknown = (_RETURN, 0, 0, _ERROR | errno.EACCES), (_RETURN, 0, 0, _ERROR | errno.ENOSYS)
    allowed_families = [(_EQUAL, len(_FAMILIES) - n, 0, each) for n, each in enumerate(_FAMILIES)] if network else []
    program = [
        (_LOAD, 0, 0, 4),  # the architecture
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # the number of the call
        (_AT_LEAST, 0, 1, _X32),
        unknown,
        (_EQUAL, 0, 1, io_uring_setup),
        unknown,
        (_EQUAL, 1, 0, socket),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, 16),  # its first argument
        *allowed_families,
        denied,
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in program))
    _checked(_prctl(_PR_SET_SECCOMP, 2, struct.pack("@HP", len(program), ctypes.addressof(code))))


def _prctl(option: int, value: int, pointer: bytes | None = None) -> int:
    return int(_libc.prctl(option, ctypes.c_ulong(value), pointer, 0, 0)) if sys.platform == "linux" else 0


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


if __name__ == "__main__":
    main()
