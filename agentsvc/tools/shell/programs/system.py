"""Builtins of the shell, and programs that tell of the machine."""

from agentsvc.tools.shell.programs.spec import DATA, NOTHING, Operands, Program, program

_NAMES = Operands(role=None, data=r"[A-Za-z0-9_.+-]+", minimum=1)
_FORMAT = r"(?!-)(?:[^%]|%%|%[-+ 0-9.#]*[sdiuoxXfFeEgGcbq])*"

PROGRAMS: dict[str, Program] = {
    "cd": program("", Operands(role="list", shape=r"[^-].*", minimum=1, maximum=1)),
    "echo": program("", DATA, raw=True),
    "printf": program("", Operands(role=None, data=_FORMAT, minimum=1), raw=True),
    "true": program("", DATA, raw=True),
    "false": program("", DATA, raw=True),
    "type": program("-a -f -p -P -t", _NAMES),
    "which": program("-a -s", _NAMES),
    "whereis": program("-b -m -s", _NAMES),
    "command": program("-v -V", _NAMES, required="-v -V"),
    "test": program(
        "-e -f -d -r -w -x -s -L -h -S -p -b -c -u -g -k -O -G -z -n -eq -ne -lt -le -gt -ge -nt -ot",
        Operands(role="list", maximum=3),
        clusters=False,
    ),
    "sleep": program("", Operands(role=None, data=r"[0-9]{1,2}(?:\.[0-9]+)?s?", minimum=1, maximum=1)),
    "seq": program("-w", Operands(role=None, data=r"-?[0-9]{1,6}", minimum=1, maximum=3), values="-s -f", numbers=True),
    "date": program(
        "-u -R --utc --universal --rfc-email",
        Operands(role=None, data=r"\+.*", maximum=1),
        values="-d --date",
        optional="-I --iso-8601 --rfc-3339",
        paths={"-r": "list", "--reference": "list"},
    ),
    "whoami": program("", NOTHING),
    "id": program("-u -g -G -n -r", Operands(role=None, data=r"[a-z_][a-z0-9_-]*", maximum=1)),
    "groups": program("", NOTHING),
    "uname": program("-a -s -n -r -v -m -p -i -o", NOTHING),
    "hostname": program("-f -s -i -I -d", NOTHING),
    "arch": program("", NOTHING),
    "nproc": program("--all", NOTHING),
    "uptime": program("-p -s", NOTHING),
    "free": program("-b -k -m -g -h -t -w", NOTHING),
    "lscpu": program("", NOTHING),
    "tty": program("-s", NOTHING),
    "locale": program("-a", NOTHING),
    "ps": program(
        "-e -f -A -l -a",
        Operands(role=None, data="a?u?x?|a?x?u?", maximum=1),
        values={
            "-p": "[0-9,]+",
            "-u": "[a-z0-9_-]+",
            "-C": r"[\w.-]+",
            "-o": r"(?:pid|ppid|user|comm|stat|time|etime|pcpu|pmem|%cpu|%mem|rss|vsz|[,=])+",
        },
        optional="--sort",
    ),
    "pgrep": program("-f -l -a -c -n -o -x", _NAMES, values={"-u": "[a-z0-9_-]+"}),
    "ss": program("-a -l -n -p -t -u -x -4 -6 -s", NOTHING),
    "netstat": program("-a -l -n -p -t -u -r -i -s", NOTHING),
    "lsof": program("-n -P -t", NOTHING, values={"-i": "[A-Za-z0-9:.@-]+", "-p": "[0-9,]+"}),
    "dirs": program("", NOTHING),
    "tput": program("", Operands(role=None, data="cols|lines|colors", minimum=1, maximum=1)),
}
