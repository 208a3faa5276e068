"""Programs that show files and what is known of them."""

from agentsvc.tools.shell.programs.spec import DATA, LISTED, NOTHING, Operands, Program, program

PROGRAMS: dict[str, Program] = {
    "ls": program(
        "-a -A -b -B -c -C -d -f -F -g -G -h -H -i -k -l -L -m -n -N -o -p -q -Q -r -R -s -S -t -u -U -v -x -X -Z -1"
        " --all --almost-all --author --directory --group-directories-first --human-readable --inode --no-group"
        " --numeric-uid-gid --recursive --reverse --size --full-time --si",
        LISTED,
        values="-I -w -T --ignore --hide --width",
        optional="--color --sort --time --format --indicator-style --classify --time-style --quoting-style",
        bold=True,
    ),
    "cat": program(
        "-A -b -e -E -n -s -t -T -u -v --show-all --number --number-nonblank --squeeze-blank --show-ends --show-tabs",
        bold=True,
    ),
    "tac": program("-b -r", values="-s"),
    "head": program("-q -v -z --quiet --verbose", values="-n -c --lines --bytes", numbers=True, bold=True),
    "tail": program(
        "-f -F -q -r -v -z --quiet --verbose",
        values="-n -c -s --lines --bytes --pid",
        optional="--follow",
        numbers=True,
        bold=True,
    ),
    "wc": program("-c -l -L -m -w --bytes --lines --words --chars --max-line-length", bold=True),
    "nl": program("-p", values="-b -d -f -h -i -l -n -s -v -w"),
    "file": program(
        "-b -h -i -k -L -N -s -0 --brief --mime --mime-type --mime-encoding --dereference --no-dereference"
    ),
    "stat": program(
        "-f -L -t -x --dereference --file-system --terse",
        Operands(role="list"),
        values="-c --format --printf",
    ),
    "tree": program(
        "-a -d -f -i -q -N -Q -p -u -g -s -h -D -F -v -t -c -U -r -C -n -A -S -J -X -x --noreport --dirsfirst --du --si"
        " --gitignore --prune --inodes --device --filesfirst --matchdirs --ignore-case",
        LISTED,
        values="-L -P -I --filelimit --timefmt --sort --charset",
    ),
    "du": program(
        "-a -b -c -h -H -k -l -L -m -s -S -x -0 --all --apparent-size --human-readable --summarize --total --bytes"
        " --si",
        LISTED,
        values="-d -t -B --max-depth --threshold --block-size --exclude",
        optional="--time",
    ),
    "df": program(
        "-a -h -H -i -k -l -m -P -T --all --human-readable --inodes --local --print-type --total",
        Operands(role="list"),
        values="-t -x -B --type --exclude-type --block-size",
        optional="--output",
    ),
    "find": program(
        "-H -P -O1 -O2 -O3 -print -print0 -ls -prune -quit -not -a -and -o -or -empty -xdev -mount -depth -executable"
        " -readable"
        " -writable -true -false -daystart -nouser -nogroup -noleaf",
        LISTED,
        values="-name -iname -path -ipath -wholename -iwholename -regex -iregex -regextype -lname -type -xtype"
        " -maxdepth -mindepth -size -mtime -mmin -atime -amin -ctime -cmin -perm -user -group -uid -gid -links -inum"
        " -printf",
        paths={"-newer": "list", "-anewer": "list", "-cnewer": "list", "-samefile": "list"},
        clusters=False,
    ),
    "fd": program(
        "-a -H -I -g -F -i -l -p -s -u -0 -1 -q --absolute-path --hidden --no-ignore --no-ignore-vcs --glob"
        " --fixed-strings"
        " --ignore-case --case-sensitive --full-path --list-details --unrestricted --print0 --quiet",
        Operands(role="list", leading=1, default="."),
        values="-d -e -t -E -S -c --max-depth --min-depth --exact-depth --extension --type --exclude --size --color"
        " --changed-within --changed-before --max-results",
    ),
    "realpath": program("-e -m -L -P -q -s -z --canonicalize-existing --canonicalize-missing", Operands(role="list")),
    "readlink": program("-e -f -m -n -q -s -v -z --canonicalize --no-newline", Operands(role="list")),
    "basename": program("-a -z", DATA, values="-s --suffix"),
    "dirname": program("-z", DATA),
    "md5sum": program("-b -t -z --tag"),
    "sha1sum": program("-b -t -z --tag"),
    "sha256sum": program("-b -t -z --tag"),
    "sha512sum": program("-b -t -z --tag"),
    "cksum": program(),
    "strings": program("-a -f", values="-n -t -e", numbers=True),
    "base64": program("-d -D -i --decode", Operands(maximum=1), values="-w --wrap"),
    "od": program("-b -c -d -o -s -v -x", values="-A -j -N -t", optional="-w"),
    "hexdump": program("-b -c -C -d -o -v -x", values="-n -s"),
    "xxd": program("-a -b -e -i -p -u", Operands(maximum=1), values="-c -g -l -s -o"),
    # A name with a colon is a host, which tar logs in to.
    "tar": program(
        "-t -v -z -j -J --list --verbose --gzip",
        values={"-f": "[^:]+", "--file": "[^:]+"},
        paths={"-f": "read", "--file": "read"},
        required="-t --list",
    ),
    "unzip": program("-l -v -Z -q", Operands(maximum=1), required="-l -v -Z"),
    "zipinfo": program("-1 -h -l -m -s -t -v", Operands(maximum=1)),
    "pwd": program("-L -P", NOTHING),
}
