"""Programs that search texts, and that show them differently."""

from agentsvc.tools.shell.programs.spec import ANYTHING, DATA, Operands, Program, program
from agentsvc.tools.shell.vocabulary import words

# These are matched against hostile text: at every place there is at most one way to go on.
_GAP = " {0,3}"
_ADDRESS = r"(?:[0-9]+|\$|/(?:[^/\\\n\[]|\\[^\n])+/)"
_RANGE = rf"(?:{_ADDRESS}(?:{_GAP},{_GAP}(?:{_ADDRESS}|[+~][0-9]+)|~[0-9]+)?{_GAP})?(?:!{_GAP})?"
_FOUND = r"(?:[^{0}\\\n\[]|\\[^\n]|\[\^?[^\]\[\\{0}\n^][^\]\[\\{0}\n]*\])*"
_PUT = r"(?:[^{0}\\\n]|\\[^\n])*"
_SUBSTITUTIONS = "|".join(
    rf"s{mark}{_FOUND.format(mark)}{mark}{_PUT.format(mark)}{mark}[gpI0-9]*" for mark in ("/", r"\|", "#", ",", "@")
)
_COMMAND = rf"{_RANGE}(?:[pdq=l]|{_SUBSTITUTIONS}){_GAP}"
SED = rf"{_GAP}{_COMMAND}(?:;{_GAP}{_COMMAND})*(?:;{_GAP})?"
"""Printing, deleting and substituting. Not: w, W, r, R, e, files and commands among the flags, braces, labels.

Where sed dialects read a bracket expression differently there is none: the mark may not stand inside of one.
"""

_FIELD = r"(?:\$(?:[0-9]+|NF)|NR|NF|FNR|FILENAME|\"[^\"\\|]*\")"
_TEST = (
    rf"(?:(?:NR|NF|FNR|\$[0-9]+){_GAP}(?:==|!=|<=|>=|<|>){_GAP}(?:[0-9]+|\"[^\"\\]*\")"
    r"|!?/(?:[^/\\]|\\[^\n])+/)"
)
_PRINT = rf"\{{{_GAP}print(?: {{1,3}}{_FIELD}(?:(?:{_GAP},)?{_GAP}{_FIELD})*)?{_GAP};?{_GAP}\}}"
AWK = rf"{_GAP}(?:{_TEST}(?:{_GAP}(?:&&|\|\||,){_GAP}{_TEST})*)?{_GAP}(?:{_PRINT})?{_GAP}"
"""Lines that are chosen, and fields of them that are printed; nothing that writes, runs or reads more."""

JQ = r"(?!(?s:.*\b(?:env|ENV|import|include|input_filename|debug|stderr|halt_error|get_search_list)\b))(?s:.*)"

# A file that a glob or a type names is searched even if it is hidden.
_SOURCES = (
    "py|pyi|js|jsx|mjs|cjs|ts|tsx|vue|svelte|json|ya?ml|toml|md|rst|txt|log|html?|css|scss|go|rs|java|kts?|scala|swift"
    "|c|h|cc|cpp|hpp|cs|rb|php|sh|sql|xml|csv|lock|cfg|ini|tf|proto|graphql|ipynb|exs?|lua"
)
_SEARCHED = rf"!.*|(?:[^\\{{}}]*/)?(?:\*{{1,2}}\.(?:{_SOURCES}|\{{(?:{_SOURCES})(?:,(?:{_SOURCES}))*\}})|\w[^/\\{{}}]*)"
_RG_VALUES = words(
    "-A -B -C -d -e -E -j -m -M -r -T --after-context --before-context --context --max-depth --regexp --encoding"
    " --threads --max-count --max-columns --replace --type-not --color --colors --sort --sortr --max-filesize"
    " --path-separator --context-separator"
)
_TYPES = r"(?!all$|.*env)[a-z0-9+-]+"

_PATTERN_FIRST = Operands(leading=1, instead=frozenset({"-e", "--regexp", "-f", "--file"}))
_GREP = program(
    "-a -b -c -E -F -G -h -H -i -I -l -L -n -o -P -q -s -T -v -w -x -y -z -Z --text --count --extended-regexp"
    " --fixed-strings --basic-regexp --perl-regexp --no-filename --with-filename --ignore-case --files-with-matches"
    " --files-without-match --line-number --only-matching --quiet --silent --no-messages --invert-match --word-regexp"
    " --line-regexp --null --initial-tab",
    _PATTERN_FIRST,
    values="-A -B -C -m -e -D --after-context --before-context --context --max-count --regexp --include --exclude"
    " --exclude-dir --label --binary-files",
    optional="--color --colour",
    paths={"-f": "read", "--file": "read"},
    deep="-r --recursive",
    numbers=True,
)

PROGRAMS: dict[str, Program] = {
    "grep": _GREP,
    "egrep": _GREP,
    "fgrep": _GREP,
    "rg": program(
        "-a -b -c -F -H -i -I -l -n -N -o -P -p -q -s -S -U -v -w -x -0 --text --count --count-matches"
        " --fixed-strings"
        " --with-filename --no-filename --ignore-case --files --files-with-matches --files-without-match --line-number"
        " --no-line-number --only-matching --pcre2 --pretty --quiet --case-sensitive --smart-case --multiline"
        " --invert-match --word-regexp --line-regexp --no-ignore --no-ignore-vcs --heading --no-heading --json"
        " --stats --trim --vimgrep --column --no-messages --null --type-list --passthru --no-config"
        " --multiline-dotall --byte-offset",
        Operands(
            role="visible",
            leading=1,
            instead=frozenset({"-e", "--regexp", "-f", "--file", "--files", "--type-list"}),
            default=".",
        ),
        values={
            **dict.fromkeys(_RG_VALUES, ANYTHING),
            **dict.fromkeys(("-g", "--glob", "--iglob"), _SEARCHED),
            **dict.fromkeys(("-t", "--type"), _TYPES),
        },
        paths={"-f": "read", "--file": "read"},
        deep="-u --hidden --unrestricted",
    ),
    "sort": program(
        "-b -c -C -d -f -g -h -i -M -m -n -r -R -s -u -V -z --reverse --unique --numeric-sort --ignore-case --stable"
        " --version-sort --human-numeric-sort --check --month-sort --general-numeric-sort",
        values="-k -t --key --field-separator",
    ),
    "uniq": program(
        "-c -d -D -i -u -z --count --repeated --unique --ignore-case",
        Operands(maximum=1),
        values="-f -s -w --skip-fields --skip-chars --check-chars",
    ),
    "cut": program(
        "-n -s -z --complement --only-delimited",
        values="-b -c -d -f --bytes --characters --delimiter --fields --output-delimiter",
    ),
    "tr": program("-c -C -d -s -t --complement --delete --squeeze-repeats --truncate-set1", DATA),
    "paste": program("-s -z --serial", values="-d --delimiters"),
    "join": program("-i -z", values="-a -e -j -o -t -v -1 -2"),
    "column": program("-t -x -e -n", values="-s -o -c -N -R --separator --output-separator --table-columns"),
    "fold": program("-b -s", values="-w --width"),
    "fmt": program("-c -s -t -u", values="-w --width", numbers=True),
    "expand": program("-i", values="-t --tabs"),
    "unexpand": program("-a", values="-t --tabs"),
    "rev": program(),
    "comm": program("-1 -2 -3 -z --nocheck-order --total", values="--output-delimiter"),
    "cmp": program("-b -l -s --print-bytes --verbose --silent --quiet", values="-n -i --bytes"),
    "diff": program(
        "-a -b -B -c -d -e -E -i -n -N -q -s -t -T -u -w -y -Z --brief --unified --ignore-case --ignore-all-space"
        " --ignore-space-change --ignore-blank-lines --minimal --new-file --report-identical-files --side-by-side"
        " --suppress-common-lines --text --strip-trailing-cr -r --recursive",
        # Of two directories the files in them are compared, with -r or without.
        Operands(role="tree"),
        values="-U -C -W -x -I --exclude --label --width --ignore-matching-lines",
        optional="--color",
        numbers=True,
    ),
    "sed": program(
        "-n -E -r -s -u -z --quiet --silent --regexp-extended --separate --unbuffered --null-data --posix",
        Operands(leading=1, instead=frozenset({"-e", "--expression"}), data=SED),
        values={"-e": SED, "--expression": SED},
    ),
    "awk": program(
        "",
        Operands(leading=1, data=AWK, shape=r"(?!/inet)(?s:.*)"),
        values={"-F": r"[^\\]+", "--field-separator": r"[^\\]+"},
    ),
    "jq": program(
        "-a -c -C -e -j -M -n -r -R -s -S --ascii-output --compact-output --color-output --monochrome-output"
        " --exit-status"
        " --join-output --null-input --raw-output --raw-input --slurp --sort-keys --tab",
        Operands(leading=1, data=JQ),
        values="--indent",
    ),
}
