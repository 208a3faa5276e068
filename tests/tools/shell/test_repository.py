"""Repositories that somebody else has prepared: git runs what their settings name, so it is asked about there."""

import os
import subprocess

import pytest

from agentsvc.domain.messages import TextBlock
from agentsvc.tools.bash import Bash
from agentsvc.tools.shell.examine import ENVIRONMENT, QUIET, environment_of
from agentsvc.tools.shell.repository import are_harmless
from tests.tools.shell.commands import judged, rules

_NOBODY = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"), "nobody")
_ENVIRONMENT = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent", **_NOBODY}
READING = ["git status", "git diff", "git log -p -1", "git show", "git blame file", "git describe --always --dirty"]


def git(directory, *arguments):
    subprocess.run(["git", *arguments], cwd=directory, env=_ENVIRONMENT, check=True, capture_output=True)


def commit(directory):
    directory.mkdir(exist_ok=True)
    git(directory, "init", "-q")
    (directory / "file").write_text("1\n")
    git(directory, "add", ".")
    git(directory, "commit", "-qm", "first")
    (directory / "file").write_text("2\n")


@pytest.fixture(autouse=True)
def program(workspace):
    """Committed, with a change that is not; and a program that leaves a trace when it runs."""
    commit(workspace)
    program = workspace / "program"
    program.write_text(f"#!/bin/sh\necho ran > {workspace}/trace\ncat\n")
    program.chmod(0o755)
    return program


def external(workspace, program):
    git(workspace, "config", "diff.external", str(program))


def driver(workspace, program):
    (workspace / ".gitattributes").write_text("* diff=x\n")
    git(workspace, "config", "diff.x.textconv", str(program))


def clean_filter(workspace, program):
    (workspace / ".git" / "info" / "attributes").write_text("* filter=x\n")
    git(workspace, "config", "filter.x.clean", str(program))


def included(workspace, program):
    (workspace / "more").write_text(f"[diff]\n\texternal = {program}\n")
    git(workspace, "config", "include.path", "../more")


def hook(workspace, program):
    program.rename(workspace / ".git" / "hooks" / "post-index-change")


def elsewhere(workspace, program):
    external(workspace, program)
    (workspace / ".git").rename(workspace / "kept")
    (workspace / ".git").write_text("gitdir: kept\n")


def linked(workspace, program):
    external(workspace, program)
    (workspace / ".git").rename(workspace / "kept")
    (workspace / ".git").symlink_to("kept")


def common(workspace, program):
    commit(workspace / "other")
    external(workspace / "other", program)
    (workspace / ".git" / "commondir").write_text("../other/.git\n")


def inner(workspace, program):
    commit(workspace / "inner")
    clean_filter(workspace / "inner", program)
    git(workspace, "add", "inner")
    git(workspace, "commit", "-qm", "inner")


def partial(workspace, program):
    git(workspace, "config", "remote.origin.url", f"ext::{program}")
    git(workspace, "config", "remote.origin.promisor", "true")


@pytest.mark.parametrize(
    "prepare", [external, driver, clean_filter, included, hook, elsewhere, linked, common, inner, partial]
)
async def test_git_is_asked_about_where_its_settings_may_run_a_program(backend, workspace, program, prepare):
    prepare(workspace, program)

    decisions = [await judged(backend, command) for command in READING]

    assert {(each.behavior, each.reason.code) for each in decisions} == {("ask", "repository")}
    assert (await judged(backend, READING[0], rules(mode="explore"))).behavior == "deny"
    assert (await judged(backend, READING[0], rules(allow=("git status:*",)))).behavior == "allow"


async def test_git_is_not_asked_about_in_a_repository_like_most(backend, workspace):
    git(workspace, "config", "user.name", "Ada")
    git(workspace, "config", "remote.origin.url", "https://git.example/a.git")
    git(workspace, "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    git(workspace, "config", "branch.main.remote", "origin")
    git(workspace, "config", "branch.main.merge", "refs/heads/main")

    decisions = [await judged(backend, command) for command in READING]

    assert {each.behavior for each in decisions} == {"allow"}


@pytest.mark.parametrize("name", [".gitconfig", ".config/git/config"])
async def test_what_lies_in_the_home_of_commands_does_not_run_when_nobody_was_asked(backend, workspace, program, name):
    settings = workspace / ".agentsvc" / "home" / name
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[diff]\n\texternal = {program}\n")

    chunks = [chunk async for chunk in Bash(backend).call(command="git diff")]

    assert (await judged(backend, "git diff")).behavior == "allow"
    assert "+2" in "".join(block.text for chunk in chunks for block in chunk.content if isinstance(block, TextBlock))
    assert not (workspace / "trace").exists()


@pytest.mark.parametrize(
    "settings",
    [
        b"",
        b"# [diff]\n; external = x\n",
        b"[core]\n\trepositoryformatversion = 0\n\tbare = false\n",
        b'[remote "origin"]\n\turl = https://git.example/a.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n',
        b'[branch "a"]\nremote=origin\n[USER]\n\tName = Ada\n',
    ],
)
def test_settings_in_plain_form_are_known(settings):
    assert are_harmless(settings)


@pytest.mark.parametrize(
    "settings",
    [
        b"[diff]\n\texternal = x\n",
        b"[DIFF]EXTERNAL=x\n",
        b"[user] name = a\n[diff] external = x\n",
        b"[core]\n\tfsmonitor = x\n",
        b"[core]\n\thooksPath = x\n",
        b"[core]\n\tworktree = /\n",
        b"[core]\n\tattributesFile = x\n",
        b'[diff "x"]\n\ttextconv = x\n',
        b"[diff.x]\n\ttextconv = x\n",
        b'[filter "x"]\n\tprocess = x\n',
        b"[include]\n\tpath = x\n",
        b'[includeIf "gitdir:/"]\n\tpath = x\n',
        b'[remote "x"]\n\tpromisor = true\n',
        b"[extensions]\n\tpartialClone = x\n",
        b"[extensions]\n\tworktreeConfig = true\n",
        b"[log]\n\tshowSignature\n",
        b"[format]\n\tpretty = %GG\n",
        b"[user]\n\tname = a\\\n[diff]\n\texternal = x\n",
        b"[user]\r[diff]\rexternal = x\n",
        b"\xef\xbb\xbf[diff]\n\texternal = x\n",
        b"external = x\n",
    ],
)
def test_settings_that_run_something_or_look_odd_are_not(settings):
    assert not are_harmless(settings)


@pytest.mark.parametrize("command", ["git diff", "pip list", "npm ls | head -3", "cd src && git status"])
def test_what_is_known_only_to_read_is_run_without_settings_of_its_home(command):
    assert environment_of(command).items() >= QUIET.items()


@pytest.mark.parametrize("command", ["python3 x.py", "git commit -m x", "git diff && git commit -m x", "git diff $X"])
def test_other_commands_are_run_with_them(command):
    assert environment_of(command) == ENVIRONMENT
