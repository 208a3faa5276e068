"""Which files no tool touches unasked: those that hold secrets, and those that make other programs run something."""

from collections.abc import Iterable
from functools import lru_cache

from agentsvc.tools.patterns import PathPattern

DANGEROUS_FILES = (
    *(".gitconfig", ".gitmodules", ".config/git/config"),
    *(".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile", ".inputrc"),
    *(".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".config/fish/config.fish"),
    *(".netrc", ".npmrc", ".pypirc", ".env", ".envrc", ".mcp.json"),
    *(".env.local", ".env.development", ".env.development.local", ".env.test", ".env.test.local"),
    *(".env.staging", ".env.production", ".env.production.local"),
    *(".ssh/config", ".ssh/authorized_keys"),
)
DANGEROUS_DIRECTORIES = (".git", ".vscode", ".idea", ".ssh", ".agentsvc")
"""The last one is what the service keeps in a workspace: the home of its commands, what it has put aside."""

SECRET_NAMES = (
    *(".env", ".env.*", ".env-*", ".env_*", ".envrc"),
    *(".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".my.cnf", ".htpasswd"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore"),
    *("*.kdbx", "*.ppk", "*.keytab", ".git-credentials", ".vault-token", ".bash_history", ".zsh_history"),
    *(".ssh", ".gnupg", ".aws", ".azure", ".gcloud", ".kube"),
)
SECRET_PLACES = (
    *(".config/gcloud", ".config/gh", ".config/rclone", ".docker/config.json", ".terraform.d/credentials.tfrc.json"),
    *(".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials"),
    *("/etc/shadow*", "/etc/gshadow*", "/etc/sudoers*", "/etc/ssh/ssh_host_*", "/etc/ssl/private"),
    *("/run/secrets", "/var/run/secrets", "/dev/mem", "/dev/kmem", "/proc/kcore"),
    *("/proc/*/environ", "/proc/*/mem", "/proc/*/fd", "/proc/*/task/*/environ", "/proc/*/task/*/mem"),
)
PUBLIC_NAMES = (".env.example", ".env.sample", ".env.template", ".env.dist", "*.pub")
"""These are no secret, although a name above means them."""


_REMEMBERED = 4_096


class SensitivePaths:
    """A list of places, each with all that is below it; capitals do not matter.

    An entry without a slash means a name anywhere, one with slashes these names in a row anywhere, and one with a
    leading slash that place. ``public`` are names of files that entries without a slash do not mean.
    """

    def __init__(self, entries: Iterable[str], public: Iterable[str] = ()) -> None:
        entries = tuple(entries)
        rows = [entry if entry.startswith("/") else f"/**/{entry}" for entry in entries if "/" in entry]
        self._names = PathPattern(*(entry for entry in entries if "/" not in entry), ignore_case=True)
        self._places = PathPattern(*rows, *(f"{row}/**" for row in rows), ignore_case=True)
        self._ends = PathPattern(*{row.rstrip("/").rpartition("/")[2] for row in rows}, ignore_case=True)
        self._public = PathPattern(*public, ignore_case=True)
        # Most segments are seen again and again, and the rows are slow to match.
        self._known = lru_cache(_REMEMBERED)(self._look_at)

    def hold(self, path: str) -> bool:
        """Whether the absolute, normalised path is one of these places or below one."""
        *above, name = path.split("/")
        named, ending = self._known(name)
        if named and not self._public.matches(name):
            return True
        kinds = [self._known(segment) for segment in above]
        return any(named for named, _ in kinds) or (
            (ending or any(ending for _, ending in kinds)) and self._places.matches(path)
        )

    def _look_at(self, segment: str) -> tuple[bool, bool]:
        """Whether a segment is a name that is meant, and whether a row of names may end with it."""
        return self._names.matches(segment), self._ends.matches(segment)


DANGEROUS = SensitivePaths((*DANGEROUS_FILES, *DANGEROUS_DIRECTORIES))
SECRET = SensitivePaths((*SECRET_NAMES, *SECRET_PLACES), PUBLIC_NAMES)
