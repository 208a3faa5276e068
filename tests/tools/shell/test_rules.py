"""Rules about commands: what they mean, what they cover, and which ones are offered."""

import pytest

from tests.tools.shell.commands import guessed, rules


def behavior(command: str, **given) -> str:
    return guessed(command, rules(**given)).behavior


@pytest.mark.parametrize(
    ("rule", "command"),
    [
        ("git push", "git push"),
        ("git push", "git   'push'"),
        ("git push:*", "git push"),
        ("git push:*", "git push origin main"),
        ("npm run *", "npm run build"),
        ("npm run *", "npm run build -- --fast"),
        ("npm run *", "npm run"),
        ("npm * build", "npm run build"),
        ("*", "anything at all"),
        (r"mystery \*", "mystery '*'"),
        (r"mystery \\", r"mystery '\'"),
        (r"mystery \* *", "mystery '*' x"),
        ('git commit -m "a b"', "git commit -m 'a b'"),
        ("./run.sh:*", "./run.sh x"),
        ("git add:*", "git add . && git status"),
        ("git add:*", "cd sub && git add ."),
        ("git add:*", "git add *.py"),
    ],
)
def test_an_allow_rule_covers(rule, command):
    assert behavior(command) == "ask"
    assert behavior(command, allow=(rule,)) == "allow"


@pytest.mark.parametrize(
    ("rule", "command"),
    [
        ("git push", "git push origin"),
        ("git push", "git pushed"),
        ("git push:*", "git pushx"),
        ("git push:*", "git -C x push"),
        ("git push:*", "/usr/bin/git push"),
        ("git push:*", "env git push"),
        ("git push:*", "sudo git push"),
        ("git push:*", "'git push' x"),
        ("git push:*", "git push && rm x"),
        ("git push:*", "rm x; git push"),
        ("git push:*", "git push | sh"),
        ("git push:*", "git push & rm x"),
        ("git push:*", "git push\nrm x"),
        ("git push:*", "git push $(rm x)"),
        ("git push:*", "git push $X"),
        ("git push:*", "A=b git push"),
        ("git push:*", "git push > x"),
        ("git push:*", "git pus[h]"),
        ("npm run *", "npm run-script x"),
        ("npm run *", "npm exec run x"),
        ("mystery foo *", "'mystery foo' x"),
        (r"mystery \*", "mystery x"),
        ("mystery a*b", "mystery a; b"),
        (" :*", "mystery"),
        (" ", "mystery"),
        ("mystery:*", "mystery x > .bashrc"),
    ],
)
def test_an_allow_rule_does_not_cover(rule, command):
    assert behavior(command, allow=(rule,)) == "ask"


@pytest.mark.parametrize(
    ("rule", "command"),
    [
        ("rm:*", "rm"),
        ("rm:*", "rm x"),
        ("rm x", "rm x"),
        ("rm *", "rm -rf x"),
        ("rm:*", "\trm\tx"),
        ("rm:*", r"r\m x"),
        ("rm:*", "'r'm x"),
        ("rm:*", "$'\\x72m' x"),
        ("rm:*", "/bin/rm x"),
        ("rm *", "/bin/rm x"),
        ("rm x", "/bin/rm x"),
        ("/bin/rm:*", "rm x"),
        ("rm:*", "ls && rm x"),
        ("rm:*", "ls | rm x"),
        ("rm:*", "ls & rm x"),
        ("rm:*", "ls\nrm x"),
        ("rm:*", "(rm x)"),
        ("rm:*", "{ rm x; }"),
        ("rm:*", "if a; then rm x; fi"),
        ("rm:*", "f() { rm x; }; f"),
        ("rm:*", "echo $(rm x)"),
        ("rm:*", "echo <(rm x)"),
        ("rm:*", "A=b rm x"),
        ("rm:*", "env -i A=b rm x"),
        ("rm:*", "nohup nice -n 5 /bin/rm x"),
        ("rm:*", "sudo -u root rm x"),
        ("rm:*", "time rm x"),
        ("rm:*", "ls | xargs -n1 rm"),
        ("rm:*", "command rm x"),
        ("rm:*", "exec rm x"),
        ("rm:*", "find . -exec rm {} +"),
        ("rm:*", "bash -c 'ls; rm x'"),
        ("rm:*", "sh -c \"bash -c 'rm x'\""),
        ("rm:*", "eval 'rm x'"),
        ("rm:*", "eval rm x"),
        ("rm:*", "echo rm x | sh"),
        ("rm:*", "python -c 'import os; os.system(\"rm x\")'"),
        ("rm:*", "bash <<E\nrm x\nE"),
        ("rm:*", "X=rm; $X x"),
        ("rm:*", "$(echo rm) x"),
        ("rm:*", "r$(echo m) x"),
        ("rm:*", "rm x 'unclosed"),
        ("rm:*", "ls; rm x ))"),
        ("rm:*", "rm x" + " y" * 6000),
        ("rm:*", "env " + "A=b " * 60 + "rm x"),
        ("rm:*", "ls \\\n; r\\\nm x"),
        ("git push:*", "git -C x push"),
        ("git push:*", "git -c a=b --no-pager push origin"),
        ("git push:*", "git $X"),
        ("git push:*", "git pus?"),
        ("git push *", "git $X y"),
        ("cat:*", "ls; cat x"),
        ("cat:*", "  cat x"),
    ],
)
def test_a_deny_rule_cannot_be_evaded(rule, command):
    assert guessed(command, rules(deny=(rule,), mode="bypass")).reason.code == "deny_rule"
    assert guessed(command, rules(ask=(rule,), mode="bypass")).reason.code == "ask_rule"


@pytest.mark.parametrize(
    ("rule", "command"),
    [
        ("rm:*", "ls"),
        ("rm:*", "rmdir x"),
        ("rm:*", "git rm x"),
        ("rm:*", "docker run --rm x"),
        ("rm:*", "echo rm"),
        ("rm x", "rm y"),
        ("git push:*", "git pull"),
        ("npm run *", "npm test"),
        ("rm:*", "python format.py"),
    ],
)
def test_a_deny_rule_does_not_mean_what_only_resembles_it(rule, command):
    assert behavior(command, deny=(rule,), mode="bypass") == "allow"


@pytest.mark.parametrize("content", [None, ""])
def test_a_rule_without_content_means_every_command(content):
    assert behavior("rm x", allow=(content,)) == "allow"
    assert behavior("ls", deny=(content,)) == "deny"


def test_rules_together_cover_what_one_alone_does_not():
    assert behavior("npm test && git push", allow=("npm test",)) == "ask"
    assert behavior("npm test && git push", allow=("npm test", "git push:*")) == "allow"


SAFETY = [
    "rm -rf /",
    "cat /etc/shadow",
    "ls $(rm x)",
    "sudo ls",
    "curl x | sh",
    "touch .git/config",
    "mkfs x",
    "ls (",
    "dd of=x",
]


@pytest.mark.parametrize("command", SAFETY)
def test_safety_outlives_every_rule_but_not_bypass(command):
    rule = f"{command.split()[0]}:*"

    assert guessed(command, rules(allow=(rule, "*"))).reason.safety
    assert behavior(command, allow=(rule, "*")) == "ask"
    assert behavior(command, allow=("",)) == "ask"
    assert behavior(command, allow=(rule, "*"), mode="accept_edits") == "ask"
    assert behavior(command, allow=(rule, "*"), mode="dont_ask") == "deny"
    assert behavior(command, mode="bypass") == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "rm -fr /",
        "rm --recursive --force /",
        "rm -r -f ~",
        "rm -rf *",
        "rm -rf ..",
        "/bin/rm -rf /",
        "env rm -rf /",
        "bash -c 'rm -rf /'",
    ],
)
def test_destruction_is_known_however_it_is_written(command):
    assert guessed(command).reason.code == "destructive"


@pytest.mark.parametrize(
    "command", ["npm run format", "black --format x", "echo 'rm -rf /'", "git log --grep='sudo rm'"]
)
def test_words_that_only_sound_dangerous_are_not(command):
    assert not guessed(command).reason.safety


@pytest.mark.parametrize(
    ("command", "offered"),
    [
        ("git add .", ["git add:*"]),
        ("git add . && git commit -m x && git status", ["git add:*", "git commit:*"]),
        ("npm run build", ["npm run build:*"]),
        ("npm install x", ["npm install:*"]),
        ("git add a && git add b", ["git add:*"]),
    ],
)
def test_rules_that_would_answer_the_question_are_offered(command, offered):
    decision = guessed(command)

    assert [rule.rule_content for rule in decision.suggested_rules] == offered
    assert behavior(command, allow=tuple(offered)) == "allow"


@pytest.mark.parametrize(
    "command",
    [
        *SAFETY,
        "bash x",
        "sh run",
        "python x",
        "env x",
        "xargs x",
        "curl example",
        "make all",
        "npm exec x",
        "docker run x",
        "docker exec x",
        "uv run x",
        "go run x",
        "./run x",
        "rm build",
        "touch build",
        "sort x -o y",
        "mystery",
        "mystery -x",
        "mystery A",
        "git add . > x",
        "git add $X",
        "git add . && python x",
        "a b; c d; e f; g h; i j; k l",
    ],
)
def test_nothing_is_offered_that_would_not_help_or_would_open_a_door(command):
    decision = guessed(command)

    assert decision.behavior == "ask"
    assert decision.suggested_rules == []
