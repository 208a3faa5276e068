"""Tools of development: what they show without running anything of the project."""

from agentsvc.tools.shell.programs.git import GIT
from agentsvc.tools.shell.programs.spec import NOTHING, Family, Operands, Program, program
from agentsvc.tools.shell.vocabulary import words

_PLAIN_NAMES = Operands(role=None, data=r"[A-Za-z0-9@][A-Za-z0-9@_.-]*")
_NAMES = Operands(role=None, data=r"[\w.:@/-]+")
_NUMBER = Operands(role=None, data=r"[0-9]+", maximum=1)
_KINDS = (
    "pods?|po|services?|svc|deployments?|deploy|nodes?|no|namespaces?|ns|ingress(?:es)?|jobs?|cronjobs?|events?"
    "|pvc|pv|hpa|replicasets?|rs|statefulsets?|sts|daemonsets?|ds"
)
_KUBECTL_VALUES = {"-n": r"[\w.-]+", "--namespace": r"[\w.-]+", "-l": r"[\w.=,/-]+", "--selector": r"[\w.=,/-]+"}
_GH_VALUES = (
    "-L --limit -s --state -l --label -a --assignee -A --author -S --search --json -q --jq -R --repo -B --base -H"
    " --head"
)
_GH_LIST = program("", NOTHING, values=_GH_VALUES)
_GH_VIEW = program(
    "-c --comments", Operands(role=None, data=r"[\w#/.:-]+", maximum=1), values="--json -q --jq -R --repo"
)
_PACKAGES = program(
    "-a -g -l --all --global --long --json --parseable --prod --dev --production --omit=dev",
    _PLAIN_NAMES,
    values={"--depth": "[0-9]+"},
)
_ONLY_VERSION = Family(
    subcommands={each: program("", NOTHING) for each in ("--version", "-V", "-v", "-version", "version")}
)
# Not here: tools that a file of the project can point to another binary, such as rustc, cargo, go and yarn.
_VERSIONED = words(
    "bash node python python3 pip3 gcc g++ clang cc cmake ruby perl curl wget java"
    " javac make uv uvx poetry ruff mypy npx"
    " redis-server psql sqlite3 terraform helm"
)

PROGRAMS: dict[str, Program | Family] = {
    **dict.fromkeys(_VERSIONED, _ONLY_VERSION),
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
            "list": program("-l --local --user --outdated -o --not-required", NOTHING, values={"--format": "[a-z]+"}),
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
            "compose ps": program("-a -q --all --services", _PLAIN_NAMES),
            "compose logs": program("-f -t --follow --timestamps --no-color", _PLAIN_NAMES, values="-n --tail --since"),
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
            "pr diff": program("--name-only --patch", _NUMBER, values="-R --repo --color"),
            "pr checks": program("", _NUMBER, values="-R --repo"),
            "pr status": _GH_LIST,
            "run list": program("", NOTHING, values=_GH_VALUES + " -b --branch -w --workflow"),
            "run view": program("--log --log-failed -v --verbose", _NUMBER, values="-R --repo -j --job --json -q --jq"),
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
