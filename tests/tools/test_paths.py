"""Paths are judged by the place that the backend will really touch."""

import os
import posixpath

import pytest

from agentsvc.domain.permissions import PermissionContext
from agentsvc.tools.edit import Edit
from agentsvc.tools.glob import Glob
from agentsvc.tools.grep import Grep
from agentsvc.tools.paths import PathJudge
from agentsvc.tools.read import Read
from agentsvc.tools.write import Write
from agentsvc.workspaces.local import LocalBackend
from tests.tools.calls import judged, rules


@pytest.fixture
def read(backend):
    return Read(backend)


@pytest.fixture
def write(backend):
    return Write(backend)


@pytest.fixture
def outside(tmp_path):
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "a.txt").write_text("theirs")
    return directory.resolve()


async def test_the_place_is_the_one_that_is_touched(workspace, backend, outside):
    (workspace / "link").symlink_to(outside)
    judge = await PathJudge.of(backend, PermissionContext())

    names = [
        "link/a.txt",
        "../outside/a.txt",
        f"/{outside}//a.txt",
        f"/proc/self/root{outside}/a.txt",
        "./link/./a.txt",
    ]
    places = [await judge.place(name) for name in names]

    assert {place.real for place in places} == {f"{outside}/a.txt"}
    assert not any(place.inside for place in places)


@pytest.mark.parametrize("name", ["a.txt", "sub/../a.txt", "sub//b.txt", "ünï/ç.txt", "new/deep/x", "-t/etc", "a b'c"])
async def test_what_is_in_the_workspace_is_inside(backend, name):
    judge = await PathJudge.of(backend, PermissionContext())

    assert (await judge.place(name)).inside


@pytest.mark.parametrize("name", ["../work2/a", "/etc/passwd", "..", "sub/../../x", "/"])
async def test_what_is_not_in_the_workspace_is_not_inside(workspace, backend, name):
    judge = await PathJudge.of(backend, PermissionContext())

    assert not (await judge.place(name)).inside


async def test_working_directories_are_inside_also_through_links(workspace, backend, outside, tmp_path):
    (tmp_path / "alias").symlink_to(outside)
    judge = await PathJudge.of(backend, rules("Read", directories=(str(tmp_path / "alias"),)))

    assert (await judge.place(f"{outside}/a.txt")).inside


async def test_a_link_in_the_workspace_makes_no_working_directory(workspace, backend, outside):
    (workspace / "sub").symlink_to(outside)
    judge = await PathJudge.of(backend, rules("Read", directories=(str(workspace / "sub"),)))

    assert not (await judge.place("sub/a.txt")).inside


async def test_a_relative_path_may_have_another_base(workspace, backend):
    judge = await PathJudge.of(backend, PermissionContext())

    assert (await judge.place("x", base=f"{workspace}/sub")).real == f"{workspace}/sub/x"


class Remote(LocalBackend):
    """A workspace whose paths mean nothing on this machine."""

    root = "/sandbox/home"

    def __init__(self) -> None:
        pass

    async def resolve(self, path: str) -> str:
        path = posixpath.normpath(posixpath.join(self.root, path))
        return path.replace("/sandbox/home/tmp", "/etc")


async def test_p13_a_remote_workspace_is_judged_by_its_own_links_and_root():
    judge = await PathJudge.of(Remote(), PermissionContext())

    here = await judge.place(os.path.realpath("a.txt"))
    there = await judge.place("a.txt")
    through = await judge.place("tmp/passwd")

    assert not here.inside
    assert there.inside
    assert (through.real, through.inside) == ("/etc/passwd", False)


async def test_p13_a_link_to_a_dangerous_place_is_dangerous(workspace, write):
    (workspace / ".git").mkdir()
    (workspace / "innocent").symlink_to(".git")

    decision = await judged(write, rules("Write", mode="accept_edits"), file_path="innocent/config", content="")

    assert (decision.behavior, decision.reason.code) == ("ask", "dangerous_path")


@pytest.mark.parametrize(
    "name",
    [
        *(".ssh/config", ".ssh/authorized_keys", ".git/hooks/pre-commit", "sub/.GIT/config", ".Bashrc", "x/.zshrc"),
        *(".gitmodules", ".vscode/tasks.json", ".idea/a", ".env.production", ".env", "deep/.netrc", "server.pem"),
    ],
)
@pytest.mark.parametrize("tool", [Write, Edit])
async def test_dangerous_places_are_asked_about_whatever_the_rules_say(backend, tool, name):
    context = rules(tool.name, allow="**", mode="accept_edits")

    decision = await judged(tool(backend), context, file_path=name)

    assert decision.behavior == "ask"
    assert decision.reason.safety
    assert decision.suggested_rules == []


@pytest.mark.parametrize("name", ["git/config", "environment", "a.env", ".github/x.yml", "ssh/config", "profile"])
async def test_names_that_only_look_dangerous_are_not(backend, write, name):
    decision = await judged(write, rules("Write", mode="accept_edits"), file_path=name)

    assert decision.behavior == "allow"


@pytest.mark.parametrize(
    "name",
    [
        *("/root/.ssh/id_rsa", "/etc/shadow", "//etc//shadow", "/proc/self/root/etc/shadow", "/proc/self/environ"),
        *(".env", "app/.env.local", "deploy.key", "id_ed25519", "/home/u/.aws/credentials", ".NETRC", ".kube/config"),
        *("../../../../../../../etc/shadow", "/home/u/.config/gcloud/x.json", "/run/secrets/db"),
    ],
)
async def test_p6_secrets_are_asked_about_before_they_are_read(backend, read, name):
    for mode in ("default", "accept_edits"):
        decision = await judged(read, rules("Read", allow="/**", mode=mode), file_path=name)

        assert (decision.behavior, decision.reason.code) == ("ask", "secret_path")


@pytest.mark.parametrize("mode", ["explore", "dont_ask"])
async def test_p6_where_nobody_is_asked_secrets_are_not_read(read, mode):
    assert (await judged(read, rules("Read", mode=mode), file_path=".env")).behavior == "deny"


async def test_p6_a_link_to_a_secret_is_a_secret(workspace, read, backend, tmp_path):
    (tmp_path / "id_rsa").write_text("key")
    (workspace / "notes.txt").symlink_to(tmp_path / "id_rsa")

    assert (await judged(read, file_path="notes.txt")).reason.code == "secret_path"
    assert (await judged(Grep(backend), pattern="k", path="notes.txt")).reason.code == "secret_path"


@pytest.mark.parametrize("name", [".env.example", "id_rsa.pub", "keys/readme.md", "shadow", "monkey.py"])
async def test_what_is_no_secret_in_the_workspace_is_read_unasked(read, name):
    assert (await judged(read, rules("Read", mode="explore"), file_path=name)).behavior == "allow"


async def test_reading_elsewhere_is_asked_about_and_a_rule_can_allow_it(outside, read):
    asked = await judged(read, file_path=f"{outside}/a.txt")
    [rule] = asked.suggested_rules
    allowed = await judged(read, rules("Read", allow=rule.rule_content or ""), file_path=f"{outside}/a.txt")

    assert (asked.behavior, asked.reason.code) == ("ask", "outside")
    assert rule.rule_content == f"{outside}/**"
    assert allowed.behavior == "allow"


@pytest.mark.parametrize(
    ("mode", "behavior"),
    [("default", "ask"), ("accept_edits", "allow"), ("dont_ask", "allow"), ("explore", "deny"), ("bypass", "allow")],
)
async def test_the_mode_says_whether_the_workspace_may_be_written(write, mode, behavior):
    assert (await judged(write, rules("Write", mode=mode), file_path="a.txt")).behavior == behavior


@pytest.mark.parametrize(
    "name", ["../outside/a.txt", "link/a.txt", "/etc/passwd", "sub/../../outside/a.txt", "/proc/self/root/etc/passwd"]
)
async def test_p8_edits_outside_of_working_directories_are_not_accepted(workspace, outside, write, name):
    (workspace / "link").symlink_to(outside)

    assert (await judged(write, rules("Write", mode="accept_edits"), file_path=name)).behavior == "ask"
    assert (await judged(write, rules("Write", mode="dont_ask"), file_path=name)).behavior == "deny"


async def test_a_suggested_rule_allows_the_next_write_beside_it(workspace, write):
    asked = await judged(write, file_path="[a]/b*/x.txt")
    [rule] = asked.suggested_rules
    context = rules("Write", allow=rule.rule_content or "")

    assert (await judged(write, context, file_path="[a]/b*/y.txt")).behavior == "allow"
    assert (await judged(write, context, file_path="a/b*/y.txt")).behavior == "ask"


async def test_nothing_is_suggested_that_would_open_the_whole_machine(write):
    assert (await judged(write, file_path="/x")).suggested_rules == []


@pytest.mark.parametrize(
    "name", ["../outside/a.txt", "sub/../../outside/a.txt", "link/a.txt", "/proc/self/root/etc/cron.d/x"]
)
async def test_p10_an_allow_rule_covers_only_what_really_is_there(workspace, outside, write, name):
    (workspace / "link").symlink_to(outside)

    assert (await judged(write, rules("Write", allow=f"{workspace}/**"), file_path="a/b.txt")).behavior == "allow"
    assert (await judged(write, rules("Write", allow=f"{workspace}/**"), file_path=name)).behavior == "ask"


async def test_p10_an_allow_rule_is_not_followed_through_a_link_in_the_workspace(workspace, outside, write):
    (workspace / "src").symlink_to(outside)

    for rule in ("src/**", f"{workspace}/src/*"):
        assert (await judged(write, rules("Write", allow=rule), file_path="src/a.txt")).behavior == "ask"


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "//etc/passwd", "/etc/./passwd", "/etc/../etc/passwd", "/proc/self/root/etc/passwd"),
        *("link/passwd", "../../../../../../../../../etc/passwd"),
    ],
)
async def test_p10_a_deny_rule_is_not_evaded_by_another_name(workspace, read, name):
    (workspace / "link").symlink_to("/etc")

    for rule in ("/etc/*", "/etc/**", "/etc", "/etc/", "//etc/*", "/etc/pass*", "/{etc,var}/*"):
        decision = await judged(read, rules("Read", deny=rule, mode="bypass"), file_path=name)
        assert (decision.behavior, decision.reason.code) == ("deny", "deny_rule")


async def test_a_deny_rule_may_mean_the_name_or_the_place(workspace, backend, outside, read):
    (workspace / "link").symlink_to(outside)

    for rule in ("link/**", f"{outside}/**", f"{workspace}/link/*"):
        for name in ("link/a.txt", f"{workspace}/./link/a.txt"):
            assert (await judged(read, rules("Read", deny=rule, mode="bypass"), file_path=name)).behavior == "deny"


@pytest.mark.parametrize(
    ("rule", "name", "means"),
    [
        ("src/*", "src/a.py", True),
        ("src/*", "src/deep/a.py", False),
        ("src/**", "src/deep/a.py", True),
        ("src/**", "src2/a.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "x/.hidden/a.py", True),
        ("*.py", "x/a.py", False),
        ("src/{a,b}/?.[ch]", "src/b/x.h", True),
        ("src/{a,b}/?.[ch]", "src/c/x.h", False),
        ("a.txt", "a.txt", True),
        ("a.txt", "b/a.txt", False),
    ],
)
async def test_rules_are_globs_over_segments_relative_to_the_root(write, rule, name, means):
    allowed = await judged(write, rules("Write", allow=rule), file_path=name)
    denied = await judged(write, rules("Write", deny=rule, mode="bypass"), file_path=name)

    assert (allowed.behavior == "allow") is means
    assert (denied.behavior == "deny") is means


async def test_a_rule_that_cannot_be_read_denies_but_does_not_allow(write):
    endless = "{1..100000}/*"

    assert (await judged(write, rules("Write", allow=endless), file_path="x")).behavior == "ask"
    assert (await judged(write, rules("Write", deny=endless, mode="bypass"), file_path="x")).behavior == "deny"


@pytest.mark.parametrize("tool", [Grep, Glob])
async def test_a_search_is_denied_when_a_rule_denies_something_below(backend, tool):
    context = rules(tool.name, deny="sub/private/**")

    for path in (".", "sub", "sub/private", "sub/private/x"):
        assert (await judged(tool(backend), context, pattern="x", path=path)).behavior == "deny"
    assert (await judged(tool(backend), context, pattern="x", path="other")).behavior == "allow"
    assert (await judged(tool(backend), context, pattern="x")).behavior == "deny"


@pytest.mark.parametrize("tool", [Grep, Glob])
async def test_a_search_is_allowed_only_by_a_rule_for_all_that_is_below(outside, backend, tool):
    covered = [f"{outside}/**", f"{outside.parent}/**", str(outside)]
    partly = [f"{outside}/*", f"{outside}/*.txt", f"{outside}/sub/**"]

    for rule in covered:
        assert (
            await judged(tool(backend), rules(tool.name, allow=rule), pattern="x", path=str(outside))
        ).behavior == "allow"
    for rule in partly:
        assert (
            await judged(tool(backend), rules(tool.name, allow=rule), pattern="x", path=str(outside))
        ).behavior == "ask"


async def test_a_glob_with_an_absolute_pattern_is_judged_by_where_it_starts(backend, outside):
    assert (await judged(Glob(backend), pattern=f"{outside}/*.txt")).reason.code == "outside"
    assert (await judged(Glob(backend), pattern="../outside/*.txt")).reason.code == "outside"
    assert (await judged(Glob(backend), pattern="*.txt", path=str(outside))).reason.code == "outside"
