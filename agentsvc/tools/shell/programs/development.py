"""Tools of development: what they show without running anything of the project."""

from agentsvc.tools.shell.programs.git import GIT
from agentsvc.tools.shell.programs.spec import ANYTHING, NOTHING, Family, Operands, Program, program
from agentsvc.tools.shell.programs.texts import JQ
from agentsvc.tools.shell.vocabulary import words

_PLAIN_NAMES = Operands(role=None, data=r"[A-Za-z0-9@][A-Za-z0-9@_.-]*")
_NAMES = Operands(role=None, data=r"[\w.:@/-]+")
_NUMBER = Operands(role=None, data=r"[0-9]+", maximum=1)
_KINDS = (
    "pods?|po|services?|svc|deployments?|deploy|nodes?|no|namespaces?|ns|ingress(?:es)?|jobs?|cronjobs?|events?"
    "|pvc|pv|hpa|replicasets?|rs|statefulsets?|sts|daemonsets?|ds"
)
_KUBECTL_VALUES = {"-n": r"[\w.-]+", "--namespace": r"[\w.-]+", "-l": r"[\w.=,/-]+", "--selector": r"[\w.=,/-]+"}
_GH_VALUES = {
    **dict.fromkeys(words("-L --limit -s --state -l --label -a --assignee -A --author -S --search --json"), ANYTHING),
    **dict.fromkeys(words("-B --base -H --head"), ANYTHING),
    **dict.fromkeys(("-q", "--jq"), JQ),
    # No host in front: it would be given a token.
    **dict.fromkeys(("-R", "--repo"), r"[\w.-]+/[\w.-]+"),
}
_GH_LIST = program("", NOTHING, values=_GH_VALUES)
_GH_VIEW = program("-c --comments", Operands(role=None, data=r"#?[\w-]+", maximum=1), values=_GH_VALUES)
_GH_ONE = program("--name-only --patch", _NUMBER, values=_GH_VALUES)
_PACKAGES = program(
    "-a -g -l --all --global --long --json --parseable --prod --dev --production --omit=dev",
    _PLAIN_NAMES,
    values={"--depth": "[0-9]+"},
)
# Not here: tools that a file of the project can point to another binary, such as rustc, cargo, go and yarn.
_VERSIONED = words(
    "bash node python python3 pip3 gcc g++ clang cc cmake ruby perl curl wget java javac make uv uvx ruff mypy npx"
    " redis-server psql"
)
# Told apart, since with other programs these run what is piped in: bash -v, python -v.
_VERSION_FLAGS = {"node": "-v", "python": "-V", "python3": "-V", "java": "-version", "javac": "-version", "perl": "-v"}


def _version(name: str) -> Family:
    flags = ("--version", _VERSION_FLAGS.get(name, "--version"))
    return Family(subcommands=dict.fromkeys(flags, program("", NOTHING)))


PROGRAMS: dict[str, Program | Family] = {
    **{name: _version(name) for name in _VERSIONED},
    "git": GIT,
    "npm": Family(
        subcommands={
            "ls": _PACKAGES,
            "list": _PACKAGES,
            "root": program("-g", NOTHING),
            "prefix": program("-g", NOTHING),
            "--version": program("", NOTHING),
            "-v": program("", NOTHING),
        }
    ),
    "pip": Family(
        subcommands={
            "list": program("-l --local --user --not-required", NOTHING, values={"--format": "[a-z]+"}),
            "show": program("-f -v --files --verbose", _PLAIN_NAMES),
            "freeze": program("-l --local --user --all", NOTHING),
            "check": program("", NOTHING),
            "--version": program("", NOTHING),
            "-V": program("", NOTHING),
        }
    ),
    "docker": Family(
        subcommands={
            "ps": program(
                "-a -l -n -q -s --all --latest --quiet --size --no-trunc", NOTHING, values="-f --filter --format"
            ),
            "images": program("-a -q --all --quiet --digests --no-trunc", _NAMES, values="-f --filter --format"),
            "logs": program("-f -t --follow --timestamps --details", _NAMES, values="-n --tail --since --until"),
            "stats": program("-a --no-stream --all --no-trunc", _NAMES, values="--format"),
            "top": program("", Operands(role=None, data=r"[\w.-]+", maximum=1)),
            "port": program("", _NAMES),
            "version": program("", NOTHING),
            "info": program("", NOTHING),
            "network ls": program("-q", NOTHING),
            "volume ls": program("-q", NOTHING),
            "image ls": program("-a -q", _NAMES),
            "container ls": program("-a -q", NOTHING),
            "--version": program("", NOTHING),
        }
    ),
    "gh": Family(
        subcommands={
            "repo view": _GH_VIEW,
            "issue list": _GH_LIST,
            "issue view": _GH_VIEW,
            "issue status": _GH_LIST,
            "pr list": _GH_LIST,
            "pr view": _GH_VIEW,
            "pr diff": _GH_ONE,
            "pr checks": _GH_ONE,
            "pr status": _GH_LIST,
            "run list": _GH_LIST,
            "run view": program("--log --log-failed -v --verbose", _NUMBER, values=_GH_VALUES),
            "release list": _GH_LIST,
            "workflow list": _GH_LIST,
            "status": program("", NOTHING),
            "--version": program("", NOTHING),
        }
    ),
    "kubectl": Family(
        subcommands={
            "get": program(
                "-A -w --all-namespaces --watch --show-labels --no-headers",
                Operands(role=None, data=rf"(?:{_KINDS})(?:,(?:{_KINDS}))*", minimum=1, maximum=1),
                values={**_KUBECTL_VALUES, "-o": "wide|name|json|yaml"},
            ),
            "logs": program(
                "-f --follow --timestamps --all-containers -p --previous",
                Operands(role=None, data=r"[\w./-]+", minimum=1, maximum=2),
                values={**_KUBECTL_VALUES, "-c": r"[\w.-]+", "--tail": "[0-9]+", "--since": r"\w+"},
            ),
            "config current-context": program("", NOTHING),
            "cluster-info": program("", NOTHING),
            "api-resources": program("", NOTHING),
            "version": program("--client", NOTHING),
        }
    ),
}
