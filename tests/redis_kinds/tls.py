"""A server that speaks TLS only, with certificates of its own."""

import datetime as dt
import ipaddress
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.redis_kinds.ports import free_ports
from tests.redis_kinds.server import DEBIAN, Server, ended
from tests.redis_kinds.standalone import kept


@dataclass(frozen=True)
class Tls:
    """``authority``, ``certificate`` and ``key`` are files; the last two are those of a client."""

    server: Server
    port: int
    authority: Path
    certificate: Path
    key: Path

    @property
    def bare_url(self) -> str:
        """Without a word about whom to trust."""
        return f"rediss://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.bare_url}?{urlencode({'ssl_ca_certs': self.authority})}"

    @property
    def proving_url(self) -> str:
        """The client shows a certificate too."""
        shown = {"ssl_ca_certs": self.authority, "ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        return f"{self.bare_url}?{urlencode(shown)}"


@contextmanager
def tls(*, mutual: bool = False) -> Generator[Tls]:
    """It lives until the end of the block. With ``mutual`` it hears only clients that prove who they are.

    Raises LookupError where no server program knows TLS: the embedded one does not.
    """
    if DEBIAN is None:
        raise LookupError("there is no redis-server, which would know TLS")
    with tempfile.TemporaryDirectory(prefix="agentsvc-tls-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        (port,) = free_ports(1)
        authority = _Authority(directory)
        certificate, key = authority.sign("server")
        command = [
            DEBIAN,
            *("--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1"),
            *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
            *("--tls-ca-cert-file", str(authority.file), "--tls-auth-clients", "yes" if mutual else "no"),
            *kept(directory),
        ]
        own, own_key = authority.sign("client")
        found = Tls(Server("redis", "", command, directory), port, authority.file, own, own_key)
        found.server.url = found.proving_url
        with ended([found.server]):
            found.server.start()
            yield found


class _Authority:
    """Signs certificates for this machine, and for an hour."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("tests")
        made = self._builder(self._name, self._key.public_key())
        constraints, usage = x509.BasicConstraints(ca=True, path_length=0), _usage(signs=True)
        made = made.add_extension(constraints, critical=True).add_extension(usage, critical=True)
        self.file = self._write("authority.pem", made.sign(self._key, hashes.SHA256()))

    def sign(self, name: str) -> tuple[Path, Path]:
        """The files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        made = self._builder(_named(name), key.public_key())
        made = made.add_extension(x509.SubjectAlternativeName(here), critical=False)
        made = made.add_extension(_usage(signs=False), critical=True)
        kept_key = self._directory / f"{name}.key"
        kept_key.touch(mode=0o600)
        kept_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return self._write(f"{name}.pem", made.sign(self._key, hashes.SHA256())), kept_key

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        hour = dt.timedelta(hours=1)
        made = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number(), now - hour, now + hour)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        return made.add_extension(signer, critical=False)

    def _write(self, name: str, certificate: x509.Certificate) -> Path:
        file = self._directory / name
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        return file


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
