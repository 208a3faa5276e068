"""What git only shows. Its configuration can make it run programs: where that is not the user's, nothing is known."""

from agentsvc.tools.shell.programs.spec import DATA, NOTHING, Family, Operands, program

_REVISIONS = Operands(role="read", revisions=True)
_NONE = program("", NOTHING)
_SHOWN = (
    "-p -u -s -w -b -M -C -z --patch --no-patch --stat --shortstat --numstat --dirstat --summary --name-only"
    " --name-status"
    " --check --cached --staged --raw --minimal --patience --histogram --binary --full-index --no-renames"
    " --ignore-all-space"
    " --ignore-space-change --ignore-space-at-eol --ignore-blank-lines --word-diff --color-words --no-color"
    " --no-ext-diff"
    " --no-textconv --exit-code --quiet --merge-base --cc --text --function-context -W -R -a"
)
_SHOWN_VALUES = "-U -S -G --unified --diff-filter --diff-algorithm --relative"
_SHOWN_OPTIONAL = "--color --stat --word-diff --find-renames --find-copies --abbrev --color-moved"
_LOGGED = (
    " --oneline --graph --all --decorate --no-decorate --no-merges --merges --first-parent --reverse --follow"
    " --full-history"
    " --date-order --topo-order --author-date-order --branches --tags --remotes --abbrev-commit --no-abbrev-commit"
    " --left-right --cherry-pick --cherry-mark --boundary --simplify-by-decoration --relative-date --source --no-notes"
    " --regexp-ignore-case -i -E -F --all-match --invert-grep --parents --children --no-patch -m -c -g --walk-reflogs"
    " --count"
)
_LOGGED_VALUES = (
    " -n --max-count --since --after --until --before --author --committer --grep"
    " --skip --date --min-parents --max-parents"
)
_LOG = program(
    _SHOWN + _LOGGED,
    _REVISIONS,
    # %G fields run a program that checks signatures.
    values={
        **dict.fromkeys((_SHOWN_VALUES + _LOGGED_VALUES).split(), r"(?s:.*)"),
        "--format": r"(?!(?s:.*%G))(?s:.*)",
        "--pretty": r"(?!(?s:.*%G))(?s:.*)",
    },
    optional=_SHOWN_OPTIONAL + " --decorate --branches --tags --remotes",
    numbers=True,
)
# Where one of two places is in no repository, all that is below them is compared.
_DIFF = program(
    _SHOWN, Operands(role="tree", revisions=True), values=_SHOWN_VALUES, optional=_SHOWN_OPTIONAL, numbers=True
)

GIT = Family(
    here=True,
    before=frozenset({"--no-pager", "--no-optional-locks", "--literal-pathspecs"}),
    subcommands={
        "status": program(
            "-s -b -v -z --short --branch --long --verbose --porcelain --ignored --show-stash --ahead-behind"
            " --no-ahead-behind --renames --no-renames",
            values="-u",
            optional="--porcelain --untracked-files --ignored --ignore-submodules --column",
        ),
        "log": _LOG,
        "show": _LOG,
        "whatchanged": _LOG,
        "diff": _DIFF,
        "diff-tree": program(_SHOWN + " -r -t --root --no-commit-id --always", _REVISIONS, values=_SHOWN_VALUES),
        "branch": program(
            "-a -r -v -vv -l -i --all --remotes --list --show-current --verbose --ignore-case --no-color --no-column",
            NOTHING,
            values="--sort --format --contains --no-contains --merged --no-merged --points-at",
            optional="--color --column",
        ),
        "branch --list": program("-a -r -v -vv", DATA),
        "tag": program(
            "-l --list",
            NOTHING,
            values="--sort --format --contains --no-contains --merged --points-at",
            optional="-n",
        ),
        "tag -l": program("", DATA, values="--sort --format", optional="-n"),
        "tag --list": program("", DATA, values="--sort --format", optional="-n"),
        "remote": program("-v --verbose", NOTHING),
        "remote get-url": program("--push --all", DATA),
        "stash list": program(_SHOWN + _LOGGED, NOTHING, values=_SHOWN_VALUES + _LOGGED_VALUES, numbers=True),
        "stash show": program(_SHOWN, _REVISIONS, values=_SHOWN_VALUES),
        "worktree list": program("-v --verbose --porcelain -z", NOTHING),
        "submodule status": program("--cached --recursive", NOTHING),
        "ls-files": program(
            "-c -d -m -o -i -s -u -z -t -v --cached --deleted --modified --others --ignored --stage --unmerged"
            " --exclude-standard --full-name --error-unmatch --directory --no-empty-directory --deduplicate",
            Operands(role="list"),
            values="-x --exclude",
        ),
        "ls-tree": program(
            "-d -r -t -l -z --long --name-only --name-status --full-name --full-tree", _REVISIONS, optional="--abbrev"
        ),
        "cat-file": program("-p -t -s -e", _REVISIONS),
        "rev-parse": program(
            "--show-toplevel --abbrev-ref --verify --quiet -q --git-dir --git-common-dir --is-inside-work-tree"
            " --is-bare-repository --is-inside-git-dir --show-prefix --show-cdup --symbolic-full-name --symbolic --all"
            " --branches --tags --short --absolute-git-dir --is-shallow-repository",
            _REVISIONS,
            optional="--short --abbrev-ref",
        ),
        "rev-list": program(_LOGGED + " --objects", _REVISIONS, values=_LOGGED_VALUES, numbers=True),
        "describe": program(
            "--all --tags --always --long --contains --exact-match --first-parent",
            _REVISIONS,
            values="--match --exclude --candidates",
            optional="--abbrev --dirty --broken",
        ),
        "shortlog": program(
            "-n -s -e -c --numbered --summary --email --no-merges --all", _REVISIONS, values="--since --until"
        ),
        "blame": program(
            "-b -c -e -f -l -n -s -t -w -M -C -p --root --show-email --show-name --show-number --porcelain"
            " --line-porcelain",
            _REVISIONS,
            values="-L --date --since",
        ),
        "annotate": program("", _REVISIONS),
        "grep": program(
            "-a -c -E -F -G -h -H -i -I -l -L -n -p -P -q -v -w -W -z --text --count --extended-regexp --fixed-strings"
            " --ignore-case --files-with-matches --name-only --line-number --column --break --heading --show-function"
            " --function-context --invert-match --word-regexp --cached --all-match --and --or --not"
            " --quiet",
            Operands(role="visible", leading=1, instead=frozenset({"-e"}), default=".", revisions=True),
            values="-A -B -C -e -m --max-depth --max-count --after-context --before-context --context",
            optional="--color",
            deep="--untracked",
            numbers=True,
        ),
        "reflog": program(_LOGGED, NOTHING, values=_LOGGED_VALUES, numbers=True),
        "reflog show": program(_LOGGED, _REVISIONS, values=_LOGGED_VALUES, numbers=True),
        "config --get": program("", Operands(role=None, maximum=1, data=r"[\w.-]+")),
        "config --list": program("--show-origin --local --global --name-only", NOTHING),
        "config -l": _NONE,
        "merge-base": program("--all --is-ancestor --fork-point --octopus --independent -a", _REVISIONS),
        "name-rev": program("--name-only --tags --always", _REVISIONS),
        "show-ref": program("--head --heads --tags --branches --verify -s --hash -d", DATA),
        "for-each-ref": program("", DATA, values="--count --sort --format --contains --merged --points-at"),
        "count-objects": program("-v -H --verbose --human-readable", NOTHING),
        "cherry": program("-v", _REVISIONS),
        "check-ignore": program("-q -v -n --quiet --verbose", Operands(role="list")),
        "version": program("--build-options", NOTHING),
        "--version": _NONE,
    },
)
