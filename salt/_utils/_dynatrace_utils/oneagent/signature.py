"""
Tells whether Dynatrace has signed a OneAgent installer.

The documented ``openssl cms -verify -CAfile`` trusts every authority of the system beside the certificate
that it is given. Here only that one counts: ``ca_certificate``, which comes from the state tree, from pillar
or from this minion's disk. It is never downloaded, since whoever can forge the installer on its way here
could forge it too; ``ca_sha256`` pins it.

Windows checks the Authenticode signature instead; that part follows the documentation and is untested.
"""

import base64
import contextlib
import hashlib
import mmap
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import threading

import salt.utils.files
import salt.utils.platform
from salt.exceptions import CommandExecutionError

from .. import bounded
from ..dunders import __salt__

VERIFY_TIMEOUT_S = 300
CHUNK_BYTES = 1024 * 1024
HEAD_BYTES = 512
MAX_TEXT_BYTES = 65536
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
# An installer is the signed content of a mail of two parts whose head is left out.
SIGNED_HEAD = (
    b'Content-Type: multipart/signed; protocol="application/x-pkcs7-signature"; '
    b'micalg="sha-256"; boundary="--SIGNED-INSTALLER"\n\n\n----SIGNED-INSTALLER\n'
)
SIGNED_END = b"\n----SIGNED-INSTALLER--"


def authority(want):
    """
    Return the one certificate that may have signed what is wanted, as PEM; None on Windows.
    """
    if salt.utils.platform.is_windows():
        return None
    place, pin = want["ca_certificate"], want["ca_sha256"] or ""
    pin = re.sub(r"[:\s]", "", str(pin)).lower()
    if pin and not re.fullmatch(r"[0-9a-f]{64}", pin):
        raise CommandExecutionError("dynatrace:oneagent:ca_sha256 is no SHA-256 fingerprint")
    what = "dynatrace:oneagent:ca_certificate" if "\n" in place else place
    found = CERTIFICATE.findall(_text(place))
    if len(found) != 1:
        raise CommandExecutionError(f"{what} holds {len(found)} certificates in PEM, not one")
    try:
        fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(found[0])).hexdigest()
    except ValueError:
        raise CommandExecutionError(f"{what} is no certificate in PEM") from None
    if pin and fingerprint != pin:
        raise CommandExecutionError(
            f"The certificate {what} has the SHA-256 fingerprint {fingerprint}, and "
            "dynatrace:oneagent:ca_sha256 names another. Nothing was downloaded."
        )
    return found[0] + "\n"


def verify(path, certificate):
    """
    Return when the installer is whole and signed by the certificate; raise why it is not.
    """
    _check_form(path)
    if salt.utils.platform.is_windows():
        _verify_authenticode(path)
    else:
        with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as directory:
            _verify_signature(path, certificate, directory)


def _text(place):
    if "-----BEGIN" in place:
        return place
    text = None
    if place.startswith("salt://"):
        text = __salt__["cp.get_file_str"](place)
    elif os.path.isabs(place) and os.path.isfile(place):
        with salt.utils.files.fopen(place, encoding="ascii", errors="replace") as stream:
            text = stream.read(MAX_TEXT_BYTES)
    if not text:
        raise CommandExecutionError(
            f"There is no file {place}, the root certificate of Dynatrace, by which installers are "
            "verified. Put it there, or set dynatrace:oneagent:ca_certificate; "
            "docs/how-to/install-oneagent.md tells where it comes from. Nothing was downloaded."
        )
    return text


def _check_form(path):
    """
    Refuse what is no installer, or only a part of one, by what can be said about it.
    """
    with salt.utils.files.fopen(path, "rb") as stream:
        head = stream.read(HEAD_BYTES)
    if not head.startswith(b"MZ" if salt.utils.platform.is_windows() else b"#!"):
        text = head.lstrip().lower()
        page = "an HTML page" if text.startswith((b"<!doctype", b"<html", b"<")) else "something"
        raise _refused(f"it is no installer but {page} of {os.path.getsize(path)} bytes")
    if salt.utils.platform.is_windows():
        return
    with (
        salt.utils.files.fopen(path, "rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        end = content.find(SIGNED_END)
        rest = content[end + len(SIGNED_END) :] if end >= 0 else b""
    if end < 0:
        raise _refused("it is truncated or not signed: the signature at its end is missing")
    if rest.strip():
        # What follows the signature is not covered by it.
        raise _refused("something follows its signature")


def _refused(why):
    return CommandExecutionError(
        f"The downloaded installer is refused and was not run: {why}. Do not install it by hand; "
        "check dynatrace:environment_url and what lies between this minion and the tenant, and run "
        "this again."
    )


def _verify_signature(path, certificate, directory):
    openssl = shutil.which("openssl")
    if not openssl:
        raise CommandExecutionError(
            "openssl is needed to verify the installer; install it on this minion. Nothing was run."
        )
    trusted = os.path.join(directory, "authority.pem")
    with salt.utils.files.fopen(trusted, "w", encoding="ascii") as stream:
        stream.write(certificate)
    nothing = os.path.join(directory, "no-authorities")
    os.mkdir(nothing, 0o700)
    command = [openssl, "cms", "-verify", "-CAfile", trusted]
    # Beside -CAfile openssl looks into the system's directory, where any authority would do.
    environment = {"LC_ALL": "C", "SSL_CERT_DIR": nothing, "SSL_CERT_FILE": trusted}
    with tempfile.TemporaryFile() as errors, salt.utils.files.fopen(path, "rb") as installer:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**environment, "PATH": os.environ.get("PATH", os.defpath)},
        )
        timer = threading.Timer(VERIFY_TIMEOUT_S, process.kill)
        timer.start()
        try:
            _feed(process, installer)
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
        errors.seek(0)
        said = errors.read(MAX_TEXT_BYTES).decode("utf-8", "replace")
    if code != 0:
        raise _refused(f"its signature is not Dynatrace's ({_reason(said)})")


def _feed(process, installer):
    # It hangs up early on what it does not understand.
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(SIGNED_HEAD)
        shutil.copyfileobj(installer, process.stdin, CHUNK_BYTES)
        process.stdin.flush()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _reason(said):
    """
    Return what openssl says is wrong, without its addresses in memory and source files.
    """
    parts = [line.split(":") for line in said.splitlines()]
    reasons = [
        words[5] if len(words) > 6 and words[1] == "error" else words[4]
        for words in parts
        if len(words) > 5
    ]
    details = [line.partition("Verify error:")[2] for line in said.splitlines()]
    return "; ".join(filter(None, [*reasons, *details])) or "openssl cannot verify it"


def _verify_authenticode(path):
    # By the documentation of PowerShell; untested.
    quoted = path.replace("'", "''")
    encoded = base64.b64encode(
        f"$s = Get-AuthenticodeSignature -LiteralPath '{quoted}'; "
        "Write-Output $s.Status; Write-Output $s.SignerCertificate.Subject".encode("utf-16-le")
    ).decode()
    command = ["powershell.exe", "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded]
    try:
        said = bounded.call(VERIFY_TIMEOUT_S, __salt__["cmd.run_all"], command, python_shell=False)
    except TimeoutError as err:
        raise _refused(f"its Authenticode signature cannot be read: {err}") from None
    status, _, subject = said.get("stdout", "").strip().partition("\n")
    if said.get("retcode") != 0 or status.strip() != "Valid":
        raise _refused("its Authenticode signature is not valid")
    if not re.search(r"(^|, )O=\"?Dynatrace ", subject.strip()):
        raise _refused("its Authenticode signature is not Dynatrace's")
