"""Secrets below a directory, and behind wildcards, which a command would read without naming them."""

import pytest

from agentsvc.domain.permissions import PermissionContext
from agentsvc.tools.shell import below
from tests.tools.shell.commands import judged, rules


@pytest.fixture(autouse=True)
def deep(workspace):
    (workspace / "src" / "a" / "b").mkdir(parents=True)
    (workspace / "src" / "main.py").write_text("")
    (workspace / "plain").mkdir()
    (workspace / "plain" / "x.py").write_text("")
    return workspace / "src" / "a" / "b"


TREES = [
    "grep -r x .",
    "grep -rn x src",
    "cd src && grep -r x",
    "rg --hidden x",
    "rg -uu x src",
    "diff -r src plain",
    "diff src/a/b plain",
    "git diff src /etc",
    "git grep --untracked x",
]


@pytest.mark.parametrize("command", TREES)
async def test_a_secret_far_below_is_asked_about_whatever_the_rules_say(backend, deep, command):
    (deep / ".env").write_text("TOKEN=1")

    decision = await judged(backend, command, rules(allow=("grep:*", "rg:*", "diff:*", "git:*")))

    assert (decision.behavior, decision.reason.code, decision.reason.safety) == ("ask", "secret_path", True)


@pytest.mark.parametrize("command", ["grep -R x .", "grep -d recurse x src", "rg -g '*' x", "rg -z --follow x src"])
async def test_a_rule_for_a_program_that_searches_does_not_mean_secrets(backend, deep, command):
    allowing = rules(allow=("grep:*", "rg:*"))
    assert (await judged(backend, command, allowing)).behavior == "allow"
    (deep / ".env").write_text("TOKEN=1")

    assert (await judged(backend, command, allowing)).reason.code == "secret_path"


@pytest.mark.parametrize("command", [*TREES[:7], "rg x", "rg x src"])
async def test_without_secrets_below_nothing_is_asked(backend, command):
    assert (await judged(backend, command)).behavior == "allow"


@pytest.mark.parametrize("command", ["rg x", "rg x src", "rg x -g '*.py'", "rg -t py x", "rg x -g '!*.js' src"])
async def test_what_rg_does_not_show_is_not_asked_about(backend, workspace, deep, command):
    (deep / ".env").write_text("TOKEN=1")
    (workspace / ".gitignore").write_text("*.log\n!.env.example\n!keep.log\n")

    assert (await judged(backend, command)).behavior == "allow"


@pytest.mark.parametrize("line", ["!.env", "!/src/a/b/.env", "!.e*", "!**", r"!\.env"])
@pytest.mark.parametrize("place", [".gitignore", "src/.ignore", "src/a/b/.rgignore"])
async def test_an_ignore_file_can_show_a_hidden_secret_to_rg(backend, workspace, deep, line, place):
    (deep / ".env").write_text("TOKEN=1")
    (workspace / place).write_text(f"*.log\n{line}\n")

    assert (await judged(backend, "rg TOKEN src")).reason.code == "secret_path"


async def test_a_secret_that_is_not_hidden_is_shown_by_rg(backend, deep):
    (deep / "id_rsa").write_text("")

    assert (await judged(backend, "rg x")).reason.code == "secret_path"


@pytest.mark.parametrize(
    "command",
    ["rg x -g '.env'", "rg x -g '*'", "rg x --glob='**/.e*'", "rg --iglob '.EN?' x", "rg x -g 'src/**'", "rg -t all x"],
)
async def test_a_glob_that_may_name_hidden_files_is_asked_about(backend, command):
    assert (await judged(backend, command)).behavior == "ask"


async def test_a_link_below_to_a_secret_is_one(backend, workspace, deep):
    (workspace / "plain" / ".env").write_text("TOKEN=1")
    (deep / "notes").symlink_to(workspace / "plain" / ".env")

    assert (await judged(backend, "grep -r x src")).reason.code == "secret_path"


async def test_more_than_can_be_looked_through_is_asked_about(backend, deep, monkeypatch):
    monkeypatch.setattr(below, "MAX_ENTRIES", 3)
    for number in range(10):
        (deep / f"{number}").mkdir()

    decision = await judged(backend, "grep -r x src")

    assert (decision.behavior, decision.reason.code) == ("ask", "unknown_path")
    assert (await judged(backend, "grep -r x src", rules(allow=("grep:*",)))).behavior == "allow"


async def test_one_directory_with_more_than_can_be_looked_through_is_asked_about(backend, deep, monkeypatch):
    monkeypatch.setattr(below, "MAX_ENTRIES", 9)
    for number in range(10):
        (deep / f"{number}").write_text("")

    assert (await judged(backend, "grep -r x src/a/b")).reason.code == "unknown_path"


@pytest.mark.parametrize(
    "command", ["cat s*/a/b/.env", "cat */a/b/.env", "cat src/*/*/.e*", "head -n1 ./*/?/b/.env", "tac */.env"]
)
@pytest.mark.parametrize("context", [PermissionContext(), rules(allow=("cat:*", "head:*", "tac:*"))])
async def test_wildcards_in_directories_are_followed(backend, deep, command, context):
    (deep / ".env").write_text("TOKEN=1")

    decision = await judged(backend, command, context)

    assert (decision.behavior, decision.reason.code) == ("ask", "secret_path")


@pytest.mark.parametrize("command", ["cat */x.py", "head -n1 s*/*.py", "wc -l */*", "cat nothing/*/here"])
async def test_wildcards_in_directories_that_lead_to_nothing_secret_are_read(backend, command):
    assert (await judged(backend, command)).behavior == "allow"


async def test_a_rule_does_not_cover_what_stands_behind_too_many_names(backend, workspace):
    for number in range(600):
        (workspace / "plain" / f"{number}.py").write_text("")
    (workspace / ".env").write_text("TOKEN=1")

    for command in ("cat plain/*", "cat plain/1* plain/2* plain/3* plain/4* plain/[1-9]* plain/?? plain/??? .env"):
        assert (await judged(backend, command, rules(allow=("cat:*",)))).behavior == "ask"


@pytest.mark.parametrize("command", ["mv src new", "cp -r src new", "cp -a src plain"])
async def test_what_holds_a_secret_is_not_moved_unasked_to_where_its_name_says_nothing(backend, deep, command):
    context = rules(mode="accept_edits")
    assert (await judged(backend, command, context)).behavior == "allow"
    (deep / ".docker").mkdir()
    (deep / ".docker" / "config.json").write_text("{}")

    assert (await judged(backend, command, context)).reason.code == "secret_path"


@pytest.mark.parametrize("command", ["cp -r src/. .", "cp -r src/./ plain", "cp -rt . src/.", "cp -r src/a/.. plain"])
async def test_all_of_a_directory_under_unknown_names_is_asked_about(backend, command):
    assert (await judged(backend, command, rules(mode="accept_edits"))).behavior == "ask"


@pytest.mark.parametrize(
    "command", ["touch .agentsvc/home/.bashrc", "mkdir -p .agentsvc/home/.local", "mv plain .agentsvc"]
)
async def test_what_the_service_keeps_is_dangerous_to_change(backend, command):
    decision = await judged(backend, command, rules(mode="accept_edits", allow=("mkdir:*",)))

    assert (decision.behavior, decision.reason.code) == ("ask", "dangerous_path")
