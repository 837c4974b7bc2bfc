"""
Authorities that sign installers as Dynatrace signs its own, and the simulation's among them.

The form of the signature is that which Dynatrace's own tools verify: CMS, detached, as a mail of
two parts without its head.
"""

from __future__ import annotations

import functools
import hashlib
import ssl
import subprocess
import tempfile
import weakref
from pathlib import Path

BOUNDARY = b"----SIGNED-INSTALLER"


def openssl(*arguments: str, given: bytes | None = None) -> bytes:
    """
    Run openssl and return what it prints.
    """
    ran = subprocess.run(
        ["openssl", *arguments], input=given, capture_output=True, timeout=60, check=True
    )
    return ran.stdout


class Authority:
    """
    A root certificate, and a certificate that it has issued and that signs installers.
    """

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir()
        self.certificate = directory / "root.pem"
        self._signer, self._key = directory / "signer.pem", directory / "signer.key"
        key, request = directory / "root.key", directory / "signer.csr"
        new = ("req", "-newkey", "rsa:2048", "-nodes")
        openssl(
            *new, "-x509", "-days", "2", "-subj", f"/CN={name} (synthetic)",
            # Without it Python 3.13 does not take it for an authority.
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", str(key), "-out", str(self.certificate),
        )  # fmt: skip
        openssl(
            *new, "-subj", f"/CN=Signer of {name}", "-keyout", str(self._key), "-out", str(request)
        )
        openssl(
            "x509", "-req", "-in", str(request), "-days", "2", "-CA", str(self.certificate),
            "-CAkey", str(key), "-CAcreateserial", "-out", str(self._signer),
        )  # fmt: skip

    @property
    def fingerprint(self) -> str:
        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        return hashlib.sha256(der).hexdigest()

    def server(self) -> tuple[str, str]:
        """
        Return the files of certificate and key of a server on the loopback.
        """
        key, request, certificate, names = (
            self.certificate.parent / f"server.{suffix}" for suffix in ("key", "csr", "pem", "ext")
        )
        names.write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tenant", "-keyout", str(key),
            "-out", str(request),
        )  # fmt: skip
        openssl(
            "x509", "-req", "-in", str(request), "-days", "2", "-CA", str(self.certificate),
            "-CAkey", str(self.certificate.parent / "root.key"), "-CAcreateserial",
            "-extfile", str(names), "-out", str(certificate),
        )  # fmt: skip
        return str(certificate), str(key)

    def sign(self, script: bytes) -> bytes:
        """
        Return the script with its signature behind it: a mail of two parts without its head.
        """
        mail = openssl("cms", "-sign", "-signer", str(self._signer), "-inkey", str(self._key),
                       given=script)  # fmt: skip
        signature = mail.replace(b"\r\n", b"\n").rsplit(b"\nContent-Type: ", 1)[1]
        signature = signature.rpartition(b"\n------")[0]
        parts = [script, BOUNDARY, b"Content-Type: " + signature, BOUNDARY + b"--", b""]
        return b"\n".join(parts)


@functools.cache
def simulated() -> Authority:
    """
    Return the authority of all simulated tenants of this process.
    """
    directory = tempfile.TemporaryDirectory(prefix="tenant-authority-")
    authority = Authority(Path(directory.name) / "root", "Root of the simulation")
    weakref.finalize(authority, directory.cleanup)
    return authority
