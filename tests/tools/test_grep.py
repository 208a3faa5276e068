"""Grep on real files, with ripgrep and without."""

import re
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence

import pytest

from agentsvc.agent.backend import Exit, Output
from agentsvc.tools import matching
from agentsvc.tools.grep import Grep
from agentsvc.tools.queries import Query
from agentsvc.tools.ripgrep import arguments
from agentsvc.workspaces.local import LocalBackend
from tests.tools.calls import refusal, run, text

needs_ripgrep = pytest.mark.skipif(shutil.which("rg") is None, reason="there is no ripgrep here")


class WithoutPrograms(LocalBackend):
    """A workspace in which nothing can be run."""

    async def exec(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Output | Exit]:
        yield Output("stderr", b"not found")
        yield Exit(code=127)


@pytest.fixture(params=[pytest.param("ripgrep", marks=needs_ripgrep), "fallback"])
def tool(request, backend, workspace):
    return Grep(backend if request.param == "ripgrep" else WithoutPrograms(workspace))


@pytest.fixture
def grep(tool):
    async def lines(pattern: str, **more) -> list[str]:
        chunk = await run(tool, pattern=pattern, **more)
        assert chunk.state == "success", text(chunk)
        return text(chunk).split("\n")

    return lines


@pytest.fixture
def plant(workspace):
    def planted(**files: str | bytes) -> None:
        for name, content in files.items():
            path = workspace / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return planted


async def test_names_of_files_are_given_unless_more_is_asked_for(plant, grep):
    plant(a_dot_py="foo\nbar\n", src__b_dot_py="foo\nfoo\n", src__c_dot_py="bar\n", _dot_hidden="foo")

    assert await grep("fo+") == [".hidden", "a.py", "src/b.py"]
    assert await grep("nothing") == ["No matches found."]


async def test_content_has_names_and_numbers(plant, grep):
    plant(a_dot_py="foo\nbar: 1-2\r\n", b_dot_py="x\nbar\n")

    assert await grep("bar", output_mode="content") == ["a.py:2:bar: 1-2", "b.py:2:bar"]
    assert await grep("bar", output_mode="content", n=False) == ["a.py:bar: 1-2", "b.py:bar"]


async def test_counts_are_of_lines(plant, grep):
    plant(a_dot_py="foo foo\nbar\nfoo\n", b_dot_py="foo", c="bar")

    assert await grep("foo", output_mode="count") == ["a.py:2", "b.py:1"]


@pytest.mark.parametrize("arguments", [{"-C": 1}, {"context": 1}, {"-A": 1, "-B": 1}])
async def test_lines_around_a_match_are_marked(plant, grep, arguments):
    plant(a="1\n2\nfoo\n4\n5\n6\n7\nfoo\n", b="foo")

    lines = await grep("foo", output_mode="content", **arguments)

    assert lines == ["a-2-2", "a:3:foo", "a-4-4", "--", "a-7-7", "a:8:foo", "--", "b:1:foo"]


async def test_lines_on_one_side_only(plant, grep):
    plant(a="1\nfoo\n3\n")

    assert await grep("foo", output_mode="content", **{"-A": 1}) == ["a:2:foo", "a-3-3"]
    assert await grep("foo", output_mode="content", **{"-B": 1}) == ["a-1-1", "a:2:foo"]


@pytest.mark.parametrize("switch", ["i", "case_insensitive"])
async def test_case_counts_unless_told_otherwise(plant, grep, switch):
    plant(a="FOO")

    assert await grep("foo") == ["No matches found."]
    assert await grep("foo", **{switch: True}) == ["a"]


async def test_a_pattern_stays_in_its_line_unless_it_is_multiline(plant, grep):
    plant(a="start {\n  x\n} end\nlast")

    assert await grep(r"start.*end") == ["No matches found."]
    assert await grep(r"start.*end", multiline=True, output_mode="content") == ["a:1:start {", "a:2:  x", "a:3:} end"]


async def test_glob_and_type_choose_the_files(plant, grep):
    plant(a_dot_py="foo", b_dot_js="foo", src__c_dot_py="foo", src__d_dot_ts="foo")

    assert await grep("foo", glob="*.py") == ["a.py", "src/c.py"]
    assert await grep("foo", glob="src/*.{py,ts}") == ["src/c.py", "src/d.ts"]
    assert await grep("foo", glob="!*.py") == ["b.js", "src/d.ts"]
    assert await grep("foo", type="py") == ["a.py", "src/c.py"]
    assert await grep("foo", type="js") == ["b.js"]


async def test_an_unknown_type_is_refused(plant, tool):
    plant(a="foo")

    assert "type" in await refusal(tool, pattern="foo", type="nonsense")


async def test_results_come_in_pages(plant, grep):
    plant(a="".join(f"foo {number}\n" for number in range(1, 301)))

    first = await grep("foo", output_mode="content")
    second = await grep("foo", output_mode="content", offset=250)
    short = await grep("foo", output_mode="content", head_limit=2, offset=10)
    everything = await grep("foo", output_mode="content", head_limit=0)
    beyond = await grep("foo", output_mode="content", offset=300)

    assert first[-2:] == ["a:250:foo 250", "(There is more: go on with offset 250.)"]
    assert (second[0], second[-1]) == ("a:251:foo 251", "a:300:foo 300")
    assert short == ["a:11:foo 11", "a:12:foo 12", "(There is more: go on with offset 12.)"]
    assert len(everything) == 300
    assert beyond == ["No more results."]


async def test_binary_files_are_skipped(plant, grep):
    plant(a_dot_bin=b"foo\0\1\nfoo\n", b="foo")

    for mode in ("files_with_matches", "content", "count"):
        assert not any("a.bin" in line for line in await grep("foo", output_mode=mode))


async def test_a_path_may_be_one_file(plant, grep):
    plant(src__a_dot_py="foo", src__b_dot_py="foo")

    assert await grep("foo", path="src/a.py", output_mode="content") == ["src/a.py:1:foo"]
    assert await grep("foo", path="src") == ["src/a.py", "src/b.py"]


async def test_long_lines_are_cut(plant, grep):
    plant(a="foo" + "x" * 100_000)

    [line] = await grep("foo", output_mode="content")

    assert line.startswith("a:1:fooxxx")
    assert len(line) < 600


async def test_version_control_and_links_are_left_out(workspace, plant, grep):
    plant(_dot_git__config="foo", src__a="foo")
    (workspace / "again").symlink_to("src")

    assert await grep("foo") == ["src/a"]
    assert await grep("foo", path=".git") == [".git/config"]


async def test_secrets_are_left_out_unless_they_are_named(plant, grep):
    plant(_dot_env="foo", deploy_dot_key="foo", _dot_ssh__config="foo", a="foo")

    for mode in ("files_with_matches", "content", "count"):
        assert [line.partition(":")[0] for line in await grep("foo", output_mode=mode)] == ["a"]
    assert await grep("foo", glob=".env") == ["No matches found."]
    assert await grep("foo", path=".env") == [".env"]


@pytest.mark.parametrize("pattern", ["--pre=bash", "-foo", "--", "-e", "--help", "-V"])
async def test_a_pattern_that_starts_with_a_hyphen_is_data(plant, grep, pattern):
    plant(a=f"x {pattern} y", b="other")

    assert await grep(pattern) == ["a"]


@pytest.mark.parametrize("name", ["--pre=bash", "-f", "--help", "-"])
async def test_p11_a_path_that_starts_with_a_hyphen_is_data(workspace, plant, grep, name):
    plant(**{f"{name}__evil": "touch pwned; echo foo\n"}, other="foo")

    assert await grep("foo", path=name) == [f"{name}/evil"]
    assert not (workspace / "pwned").exists()


async def test_p11_an_option_where_a_path_belongs_is_a_missing_path(workspace, plant, tool):
    plant(evil="touch pwned\n")

    assert "does not exist" in await refusal(tool, pattern="x", path="--pre=bash")
    assert not (workspace / "pwned").exists()


@pytest.mark.parametrize("value", ["--pre=bash", "-l"])
async def test_p11_globs_and_types_are_data(workspace, plant, tool, grep, value):
    plant(evil="touch pwned; echo foo\n")

    assert await grep("foo", glob=value) == ["No matches found."]
    await refusal(tool, pattern="foo", type=value)
    assert not (workspace / "pwned").exists()


def test_p11_everything_that_is_given_is_a_value_or_stands_after_the_options():
    line = arguments(Query(pattern="--pre=x", glob="--pre=y", type="--pre=z"), "--pre=w")

    assert line[-2:] == ["--", "--pre=w"]
    assert not any(argument.startswith("--pre") for argument in line[:-1])


async def test_a_pattern_that_is_malformed_is_refused(plant, tool):
    plant(a="foo")

    assert re.search("unclosed group|missing \\)", await refusal(tool, pattern="("))


async def test_a_path_that_is_not_there_is_refused(tool):
    assert await refusal(tool, pattern="x", path="nowhere") == "nowhere does not exist."


async def test_a_pattern_that_never_ends_is_stopped(workspace, plant, monkeypatch):
    monkeypatch.setattr(matching, "_SECONDS", 0.2)
    plant(a="a" * 60 + "b")

    words = await refusal(Grep(WithoutPrograms(workspace)), pattern="(a|aa)+$")

    assert "takes too long" in words


@needs_ripgrep
async def test_a_configuration_of_the_workspace_is_not_heeded(workspace, plant, backend):
    plant(_dot_ripgreprc="--files\n", a="foo")

    chunk = await run(Grep(backend), pattern="nothing")

    assert text(chunk) == "No matches found."
