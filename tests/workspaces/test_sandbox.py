"""What a command can reach under each confinement."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from agentsvc.workspaces import jail
from agentsvc.workspaces.local import LocalBackend
from agentsvc.workspaces.sandbox import Sandbox, choose_sandbox
from tests.workspaces.commands import run, shell
from tests.workspaces.grounds import CANARY, Grounds
from tests.workspaces.sandboxes import CONFINING
from tests.workspaces.sandboxes import sandbox as working

READS = [
    "cat /etc/shadow",
    "cat /etc/gshadow /etc/sudoers",
    "cat {outside}/secret",
    "cat < {outside}/secret",
    "cd {outside} && cat secret",
    "cat ../outside/secret",
    "cat {root}/../outside/secret",
    "cat out/secret out-file hop/secret system{outside}/secret",
    "ln -s / x; cat x/etc/shadow x{outside}/secret",
    "ln -s {outside}/secret y; cat y; cp -L y z; cat z",
    "ln {outside}/secret hard-link; cat hard-link",
    "ls {outside}; ls -R {outside}/..; echo {outside}/*",
    "find {place} -name secret -exec cat {{}} +",
    "grep -r canary {place}",
    "cp -r {outside} copied; cat copied/secret",
    "mv {outside}/secret moved; cat moved",
    "tar cf - {outside} | tar xOf -",
    "dd if={outside}/secret status=none",
    "cat /proc/self/root{outside}/secret /proc/self/cwd/../outside/secret",
    "cat /proc/{server}/root{outside}/secret /proc/{server}/environ /proc/{server}/fd/{held}",
    "cat /proc/{server}/cmdline /proc/{server}/maps; ls /proc/{server}/fd",
    "cat /proc/$PPID/environ /proc/1/environ /proc/$PPID/root{outside}/secret",
    "for p in /proc/[0-9]*; do cat $p/environ $p/root{outside}/secret $p/cwd/secret; done",
    "cat <&{held}; cat /dev/fd/{held} /proc/self/fd/{held}",
    "ls -a ~root /root /home {home}; cat {home}/.bashrc /root/.ssh/*",
    "cat /dev/mem /dev/kmsg /dev/sda /dev/vda | head -c 100",
    "mkdir m; mount --bind {outside} m; cat m/secret; chroot / cat {outside}/secret",
    "unshare -Urm sh -c 'mount --bind {outside} directory; cat directory/secret'",
    "nsenter -t {server} -m cat {outside}/secret; nsenter -t 1 -a cat {outside}/secret",
    "mknod disk b 254 0; cat disk | head -c 100",
    "rm -r directory; ln -s {outside} directory; cat directory/secret",
    "cat {root}-twin/secret ../root-twin/secret",
    "HOME={outside} TMPDIR={outside} sh -c 'cat ~/secret $TMPDIR/secret'",
    "perl -e 'open F, q({outside}/secret); print <F>'",
    "sudo -n cat {outside}/secret; su -c 'cat {outside}/secret'",
]

WRITES = [
    "echo x > {outside}/secret; echo x >> {outside}/secret; echo x > {outside}/made",
    "echo x > ../outside/secret; echo x > out/secret; echo x > out-file; echo x > dangling-out",
    "rm -rf {outside}/*; rm {outside}/secret; rmdir {outside}/directory",
    "mkdir {outside}/made; touch {outside}/made; mkfifo {outside}/made; ln -s x {outside}/made; ln file {outside}/made",
    "mv file {outside}/made; mv {outside}/secret gone; mv {outside} gone; mv {root} {place}/gone",
    "cp file {outside}/secret; install file {outside}/made; tee {outside}/secret < file",
    "dd if=file of={outside}/secret status=none; truncate -s 0 {outside}/secret; shred {outside}/secret",
    "ln {outside}/secret hard; echo x > hard",
    "echo x > hard; rm -f hard; ln {outside}/secret hard && echo x > hard",
    "mv -T {root}-twin directory; rm -r {root}-twin",
    "rm -r {root}; mkdir {root}",
    "ln -sfn {outside} directory; echo x > directory/secret; cp file directory/made",
    "sed -i s/canary/x/ {outside}/secret; perl -e 'truncate q({outside}/secret), 0; unlink q({outside}/secret)'",
    "echo x > /proc/self/root{outside}/secret; echo x > /proc/{server}/root{outside}/secret",
    "echo x > /proc/self/fd/{held}; echo x >&{held}; echo x > /dev/fd/{held}",
]


@pytest.fixture(params=CONFINING)
def confinement(request: pytest.FixtureRequest) -> str:
    working(request.param)
    return str(request.param)


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    grounds = Grounds(tmp_path)
    grounds.furnish()
    # The one way in that no confined command could have made.
    (grounds.root / "hard").unlink()
    return grounds


@pytest.fixture
def backend(grounds: Grounds, confinement: str) -> LocalBackend:
    return LocalBackend(grounds.root, working(confinement))


@pytest.fixture
def held(grounds: Grounds) -> Iterator[int]:
    """A descriptor of a secret, which the server has open and would hand on."""
    handle = os.open(grounds.outside / "secret", os.O_RDWR)
    os.set_inheritable(handle, True)
    yield handle
    os.close(handle)


def filled(script: str, grounds: Grounds, held: int) -> str:
    places = {"root": grounds.root, "outside": grounds.outside, "place": grounds.place, "home": Path.home()}
    return script.format(**places, server=os.getpid(), held=held)


@pytest.mark.parametrize("script", READS)
async def test_a_command_sees_nothing_outside(
    backend: LocalBackend, grounds: Grounds, held: int, script: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SERVER_KEY", CANARY.decode())

    ended = await shell(backend, filled(script, grounds, held), timeout_s=20)

    seen = ended.stdout + ended.stderr
    assert not ended.timed_out
    assert b"canary:" not in seen
    assert b"root:" not in ended.stdout
    assert Path(f"/proc/{os.getpid()}/cmdline").read_bytes() not in seen
    assert not [line for line in ended.stdout.splitlines() if line.strip() in {b"secret", b".bashrc", b".ssh"}]
    assert grounds.is_untouched()


async def test_a_command_cannot_take_all_memory(grounds: Grounds, confinement: str):
    small = msgspec.structs.replace(working(confinement), memory=64 * 1024**2)

    ended = await shell(LocalBackend(grounds.root, small), "tail /dev/zero; echo and goes on", timeout_s=20)

    assert b"memory exhausted" in ended.stderr
    assert ended.stdout == b"and goes on\n"


@pytest.mark.parametrize("script", WRITES)
async def test_a_command_changes_nothing_outside(backend: LocalBackend, grounds: Grounds, held: int, script: str):
    await shell(backend, filled(script, grounds, held), timeout_s=20)

    assert grounds.is_untouched()
    assert grounds.root.is_dir()


async def test_the_same_commands_would_do_harm_unconfined(grounds: Grounds, held: int):
    backend = LocalBackend(grounds.root, Sandbox(name="none"))

    ended = await shell(backend, filled(READS[2], grounds, held))
    await shell(backend, filled("echo x > {outside}/secret", grounds, held))

    assert ended.stdout == CANARY
    assert not grounds.is_untouched()


async def test_a_command_works_in_its_workspace(backend: LocalBackend):
    script = """
        set -e
        mkdir -p a/b && echo 1 > a/b/c && mv a/b/c a/d && ln -s d a/e && ln a/d a/f
        chmod 700 a/d && truncate -s 9 a/d
        cat a/e > /dev/null && head -c 3 /dev/urandom | wc -c && [ "$(stat -c %s a/f)" = 9 ] && rm -r a
        echo 'int main(void) { return 0; }' > "$TMPDIR/x" && sort <(echo 2) <(echo 1) | tr '\\n' ' ' && (sleep 0 & wait)
    """

    ended = await shell(backend, script)

    assert ended == (0, b"3\n1 2 ", b"", False)


@pytest.mark.parametrize("network", [True, False])
async def test_the_network_is_shared_or_there_is_none(tmp_path: Path, confinement: str, network: bool):
    backend = LocalBackend(tmp_path, working(confinement, network=network))
    script = "exec 3<>/dev/tcp/127.0.0.1/$1 && cat <&3"

    with greeting() as port:
        ended = await run(backend, "bash", "-c", script, "bash", str(port), timeout_s=20)

    assert ended.stdout == (b"hello" if network else b"")
    assert (ended.code == 0) == network


async def test_a_socket_of_the_server_is_out_of_reach(backend: LocalBackend, grounds: Grounds, monkeypatch):
    monkeypatch.chdir(grounds.outside)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("server.sock")
        listener.listen()
        where = grounds.outside / "server.sock"
        script = (
            "use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die 'no socket'; "
            f"connect($s, sockaddr_un('{where}')) or die 'no way'; print 'connected'"
        )

        confined = await run(backend, "perl", "-e", script)
        free = await run(LocalBackend(grounds.root, Sandbox(name="none")), "perl", "-e", script)

    if len(str(where)) < 100 and free.code != 127:
        assert free.stdout == b"connected"
    assert confined.stdout == b""
    assert confined.code != 0


async def test_a_command_cannot_signal_the_server(backend: LocalBackend, confinement: str):
    if confinement == "landlock" and jail.landlock_version() < 6:
        pytest.skip("signals are confined since Linux 6.12")
    script = f"kill -0 {os.getpid()} && echo server; kill -0 $PPID && [ $PPID -gt 9 ] && echo keeper; true"

    ended = await shell(backend, script)

    assert (ended.code, ended.stdout) == (0, b"")


async def test_a_command_has_no_capability(backend: LocalBackend):
    script = (
        "perl -e 'print syscall(90+0, qw(x)) ? q() : q(x)'; chown 1:1 file && echo chowned; mount -t tmpfs x directory"
    )

    ended = await shell(backend, script)

    assert ended.stdout == b""
    assert ended.code != 0


async def test_what_else_may_be_read_is_said(grounds: Grounds, confinement: str):
    chosen = working(confinement)
    more = Sandbox(name=chosen.name, bwrap=chosen.bwrap, readable=(str(grounds.outside / "directory"), "/absent"))
    backend = LocalBackend(grounds.root, more)
    directory = grounds.outside / "directory"

    ended = await shell(backend, f"cat {directory}/secret; cat {grounds.outside}/secret; echo x > {directory}/secret")

    assert ended.stdout == CANARY
    assert grounds.is_untouched()


async def test_temporary_files_of_one_command_are_no_others(backend: LocalBackend, confinement: str):
    ended = await shell(backend, "echo 1 > /tmp/left-behind-by-agentsvc; cat /tmp/left-behind-by-agentsvc")
    later = await shell(backend, "cat /tmp/left-behind-by-agentsvc")

    assert ended.stdout == (b"1\n" if confinement == "bubblewrap" else b"")
    assert later.stdout == b""
    assert not Path("/tmp/left-behind-by-agentsvc").exists()


async def test_variables_do_not_reach_what_confines(backend: LocalBackend, grounds: Grounds):
    (grounds.root / "evil.so").write_bytes(b"not a library")

    ended = await run(backend, "true", env={"LD_PRELOAD": f"{grounds.root}/evil.so", "PYTHONSTARTUP": "x"})

    # Once for the program itself, and for the shell that starts it inside bubblewrap.
    assert 1 <= ended.stderr.count(b"evil.so") <= 2
    assert b"bwrap" not in ended.stderr
    assert ended.code == 0


def test_the_best_that_works_is_chosen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/false")
    monkeypatch.setattr(jail, "landlock_version", lambda: 3)
    assert choose_sandbox().name == "landlock"
    assert choose_sandbox(network=False) == Sandbox(name="landlock", network=False)

    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(jail, "landlock_version", lambda: jail.OLDEST_LANDLOCK - 1)
    assert choose_sandbox().name == "none"
    assert not choose_sandbox().confined


async def test_a_confinement_that_fails_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Sandbox, "_grants", lambda *_: {"writable": [b"/"], "unheard of": [b"/"]})

    ended = await run(LocalBackend(tmp_path, Sandbox(name="landlock")), "touch", str(tmp_path / "made"))

    assert ended.code == 125
    assert not (tmp_path / "made").exists()


@contextmanager
def greeting() -> Iterator[int]:
    """The port of a server on the loopback that says hello."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
