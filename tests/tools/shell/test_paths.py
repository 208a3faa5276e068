"""Which paths a command uses, and what editing is allowed because of where they lead."""

import os
import subprocess

import pytest

from agentsvc.domain.permissions import PermissionContext
from agentsvc.tools.shell.examine import ENVIRONMENT, examine
from agentsvc.tools.shell.parse import parse
from agentsvc.tools.shell.plan import paths_of
from tests.tools.shell.commands import judged, rules

PLAIN = {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": "/", "GIT_CONFIG_NOSYSTEM": "1"}
ACCEPT = rules(mode="accept_edits")


@pytest.fixture(autouse=True)
def files(workspace, tmp_path):
    (workspace / "wd").mkdir()
    (workspace / "wd" / "a").write_text("")
    (workspace / "wd" / "ü b").write_text("")
    (workspace / ".git").mkdir()
    (tmp_path / "outside").mkdir()
    (workspace / "link").symlink_to(tmp_path / "outside")
    (workspace / "wd" / "up").symlink_to("..")


def uses(command: str) -> set[tuple[str, str]]:
    return {(use.path, use.role) for use in paths_of(parse(command))}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("cat 'a b' \"c\"d e\\ f", {("a b", "read"), ("cd", "read"), ("e f", "read")}),
        ("cat ü/é", {("ü/é", "read")}),
        ("cat < in", {("in", "read")}),
        ("ls > out", {(".", "list"), ("out", "write")}),
        ("ls > /dev/null 2>&1", {(".", "list")}),
        ("head -n5 -- -x", {("-x", "read")}),
        ("grep -f p x", {("p", "read"), ("x", "read")}),
        ("grep -fp x", {("p", "read"), ("x", "read")}),
        ("grep --file=p x", {("p", "read"), ("x", "read")}),
        ("grep -rn x", {(".", "tree")}),
        ("grep -rn x a b", {("a", "tree"), ("b", "tree")}),
        ("rg x", {(".", "visible")}),
        ("rg --hidden x a", {("a", "tree")}),
        ("find a b -newer c", {("a", "list"), ("b", "list"), ("c", "list")}),
        ("git show HEAD:a/b", {("HEAD:a/b", "read"), ("a/b", "read"), (".", "repository")}),
        ("cp a b", {("a", "read"), ("b", "write"), ("b/a", "write")}),
        ("cp -t/etc a", {("/etc", "write"), ("a", "read"), ("/etc/a", "write")}),
        ("cp --target-directory=/etc a", {("/etc", "write"), ("a", "read"), ("/etc/a", "write")}),
        ("mv a/b c", {("a/b", "write"), ("a/b", "tree"), ("c", "write"), ("c/b", "write")}),
        ("cat '~/x' ~/y", {("./~/x", "read"), ("~/y", "read")}),
        ("cd a && cat b", {("a", "list"), ("a/b", "read")}),
        ("cd a; cat b", {("a", "list"), ("b", "read"), ("a/b", "read")}),
        ("cd a || cat b", {("a", "list"), ("b", "read")}),
        ("cd a | cat b", {("a", "list"), ("b", "read")}),
        (
            "cd /a && cat b ../c /d ~/e",
            {("/a", "list"), *((path, "read") for path in ("/a/b", "/a/../c", "/d", "~/e"))},
        ),
        ("cd a/../b && cat c", {("a/../b", "list"), ("b", "list"), ("a/../b/c", "read"), ("b/c", "read")}),
        ("sed -i s/a/b/ f", {("f", "write")}),
        (
            "mystery --into=/etc -t/var x y=z",
            {(path, "write") for path in ("into=/etc", "/etc", "/var", "x", "y=z", "z")},
        ),
    ],
)
def test_every_path_is_found_with_what_is_done_to_it(command, expected):
    assert uses(command) == expected


@pytest.mark.parametrize(
    "command",
    [
        "mkdir -p wd/x/y",
        "touch wd/x",
        "touch 'wd/ü b'",
        "rm wd/a",
        "rm -f wd/a",
        "rmdir wd/x",
        "mv wd/a wd/b",
        "cp wd/a wd/b",
        "cp -t wd README",
        "sed -i 's/a/b/' wd/a",
        "echo hi > wd/x",
        "echo hi | tee wd/x",
        "mkdir wd/x && touch wd/x/y && ls wd",
        "cd wd && touch x",
        "cd wd && rm a && cd .. && ls",
        "touch wd/../x",
        "touch wd//x",
        "touch ./wd/./x",
        "rm wd/up/wd/a",
    ],
)
async def test_edits_inside_are_allowed_where_edits_are_accepted(backend, command):
    decision = await judged(backend, command, ACCEPT)

    assert (decision.behavior, decision.reason.code) == ("allow", "edits")
    assert (await judged(backend, command)).behavior == "ask"
    assert (await judged(backend, command, rules(mode="explore"))).behavior == "deny"


@pytest.mark.parametrize(
    "command",
    [
        "touch /etc/x",
        "touch '/etc/x'",
        'touch "/etc"/x',
        "touch /e't'c/x",
        "touch wd/a /etc/x",
        "touch ../x",
        "touch wd/../../x",
        "touch //etc/x",
        "touch link/x",
        "touch wd/up/link/x",
        "touch /proc/self/root/etc/x",
        "touch ~/x",
        "touch $HOME/x",
        "touch wd/{a,b}",
        "touch .git/hooks/pre-commit",
        "touch wd/.bashrc",
        "touch .env",
        "mkdir .git/x",
        "cp wd/a /etc",
        "cp wd/a link",
        "cp -t/etc wd/a",
        "cp -rt /etc wd/a",
        "cp --target-directory=/etc wd/a",
        "cp --target=/etc wd/a",
        "cp /etc/passwd wd",
        "cp -l wd/a wd/b",
        "cp -s wd/a wd/b",
        "mv wd/a ..",
        "mv link wd/b",
        "mv wd wd2 && touch wd2/x",
        "touch wd2/x | mv wd wd2",
        "cp -r wd wd2 && cat wd2/x",
        "rm -r wd",
        "rm -rf wd",
        "rm ../x",
        "cd .. && touch x",
        "cd /tmp && rm x",
        "cd nowhere; cd ..; touch x",
        "cd link && touch x",
        "cd wd/up/.. && touch x",
        "sed -i 's/a/b/e' wd/a",
        "sed -i 's/a/b/w x' wd/a",
        "sed -i 's/a/b/' /etc/hosts",
        "sed -i 's/a/b/' .git/config",
        "echo hi > /etc/x",
        "echo hi > ../x",
        "echo hi > link/x",
        "echo hi > .bashrc",
        "echo hi >> ~/.profile",
        "cat /etc/shadow > wd/x",
        "cd wd && git status > x",
        "tee /etc/x",
        "touch wd/x && make",
        "touch wd/x & ",
        "chmod +x wd/a",
        "ln -s /etc wd/x",
        "touch -r/etc/shadow wd/x",
    ],
)
async def test_no_edit_outside_or_of_dangerous_files_is_allowed(backend, command):
    assert (await judged(backend, command, ACCEPT)).behavior == "ask"


@pytest.mark.parametrize(
    "command",
    [
        "cat notes.txt",
        "cat *.txt",
        "cat no*",
        "cat link2/id_rsa",
        "cd link2 && cat id_rsa",
        "grep -r x .",
        "head -n1 sub/*.txt",
    ],
)
async def test_a_link_to_a_secret_is_a_secret(backend, workspace, tmp_path, command):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_rsa").write_text("secret")
    (workspace / "notes.txt").symlink_to(tmp_path / ".ssh" / "id_rsa")
    (workspace / "link2").symlink_to(tmp_path / ".ssh")
    (workspace / "sub").mkdir()
    (workspace / "sub" / "b.txt").symlink_to(tmp_path / ".ssh" / "id_rsa")
    (workspace / ".env").write_text("")

    decision = await judged(backend, command)

    assert (decision.behavior, decision.reason.code) == ("ask", "secret_path")


@pytest.mark.parametrize("command", ["cat /etc/sha*", "cat /e*/shadow", "cat *"])
async def test_names_that_cannot_be_looked_up_are_asked_about(backend, workspace, command):
    (workspace / "-n").write_text("")

    assert (await judged(backend, command)).behavior == "ask"


async def test_git_is_known_only_where_the_session_works(backend, workspace):
    here = await judged(backend, f"cd {workspace} && git status")
    there = await judged(backend, "cd wd && git status")

    assert here.behavior == "allow"
    assert (there.behavior, there.reason.code) == ("ask", "elsewhere")


@pytest.mark.parametrize(
    "command",
    [
        "cat " + "a" * 5000,
        "cat " + "a/" * 4000,
        "cat a\0b",
        "cat \ud800",
        "cat 'a\nb'",
        "ls " + "wd/* " * 900,
        "ls wd/up/wd/up/wd/up",
        "ls loop",
        "cat loop/x loop*",
        "cd loop && cat x",
        "rm " + "wd/?? " * 400,
        "mystery " + "../" * 3000,
    ],
)
@pytest.mark.parametrize("mode", ["default", "accept_edits"])
async def test_no_path_makes_it_fail(backend, workspace, command, mode):
    (workspace / "loop").symlink_to("loop")

    assert (await judged(backend, command, rules(mode=mode))).reason.code


async def test_a_home_that_is_known_is_looked_at(backend, workspace):
    (workspace / "home").mkdir()

    known = await examine("ls ~ ~/x", backend, PermissionContext(), home=str(workspace / "home"))
    unknown = await examine("ls ~ ~/x", backend, PermissionContext())
    other = await examine("ls ~ada/x", backend, PermissionContext(), home=str(workspace / "home"))

    assert (known.read_only, unknown.read_only, other.read_only) == (True, False, False)


async def test_git_is_told_to_trust_only_real_repositories(backend, workspace):
    (workspace / "fake" / "objects").mkdir(parents=True)
    (workspace / "fake" / "refs").mkdir()
    (workspace / "fake" / "HEAD").write_text("ref: refs/heads/main\n")
    (workspace / "fake" / "config").write_text("[core]\nrepositoryformatversion = 0\nbare = true\n")

    answers = {
        environment is ENVIRONMENT: subprocess.run(
            ["git", "rev-parse", "--git-dir"],
            cwd=workspace / "fake",
            env={**PLAIN, **environment},
            capture_output=True,
            check=False,
        ).returncode
        for environment in (ENVIRONMENT, {})
    }

    assert answers == {True: 128, False: 0}
