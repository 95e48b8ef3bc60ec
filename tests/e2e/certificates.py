"""An authority for one test run, and what it has signed."""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates for servers and for callers."""

    def __init__(self, name: str = "callers") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self._name, self._key, authority=True)

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Return certificate and key, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return self._signed(subject, key, authority=False), private

    def write(self, folder: Path) -> None:
        """Write what the examples look for, readable by whoever runs the proxy."""
        certificate, key = self.issue("keys.example.com")
        for name, data in {
            "server.pem": certificate,
            "server.key": key,
            "haproxy.pem": certificate + key,
            "callers-ca.pem": self.certificate,
        }.items():
            (folder / name).write_bytes(data)
            (folder / name).chmod(0o644)

    def trusting(self) -> ssl.SSLContext:
        """Return the context of a client that shows no certificate."""
        return ssl.create_default_context(cadata=self.certificate.decode())

    def showing(self, name: str, folder: Path, signer: "Authority | None" = None) -> ssl.SSLContext:
        """Return the context of a client that shows a certificate of ``signer``, or of this one."""
        context = self.trusting()
        certificate, key = (signer or self).issue(name)
        file = folder / f"{name}.pem"
        file.write_bytes(certificate + key)
        context.load_cert_chain(file)
        return context

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool
    ) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        x509.DNSName("keys.example.com"),
                        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                    ]
                ),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)
