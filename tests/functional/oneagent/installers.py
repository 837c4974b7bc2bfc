"""
Makes OneAgent installers that are signed as Dynatrace signs its own, and their authorities.

Nothing of Dynatrace is in them: the scripts are stubs that leave a mark when they run and install
an oneagentctl that keeps what it is told in files, with the documented getters and setters.
"""

from __future__ import annotations

import hashlib
import ssl
import subprocess
from pathlib import Path

BOUNDARY = b"----SIGNED-INSTALLER"

INSTALLER = r"""#!/bin/sh
# Stub of a OneAgent installer.
echo "$@" >> @MARK@
path=@PATH@
for argument in "$@"; do
  case $argument in INSTALL_PATH=*) path=${argument#INSTALL_PATH=};; esac
done
while [ -e @MARK@.wait ]; do sleep 0.05; done
tools=$path/agent/tools
mkdir -p "$tools" "$path/state"
sed -n '/^#CTL /s/^#CTL //p' "$0" | sed "s|@HOME@|$path/state|; s|@VERSION@|@THIS@|" > "$tools/new"
chmod 755 "$tools/new" && mv "$tools/new" "$tools/oneagentctl"
printf '#!/bin/sh\nrm -r "%s"\n' "$path" > "$path/agent/uninstall.sh"
for argument in "$@"; do
  case $argument in --set-*) "$tools/oneagentctl" "$argument" || exit 4;; esac
done
exit 0
"""

ONEAGENTCTL = r"""#!/bin/sh
# Stub of oneagentctl: one file a setting, one line a value of those that have several.
home=@HOME@
echo "$@" >> $home/calls
code=0
for argument in "$@"; do
  value=${argument#*=}
  case $argument in
    --version) echo @VERSION@;;
    --get-host-id) echo 5fd609ad6757be7d;;
    --get-tenant) echo abc12345;;
    --get-host-tags) cat $home/tags 2>/dev/null;;
    --get-host-properties) cat $home/properties 2>/dev/null;;
    --get-network-zone) cat $home/network-zone 2>/dev/null || echo default;;
    --get-*) cat $home/${argument#--get-} 2>/dev/null;;
    --set-host-tag=*) echo "$value" >> $home/tags;;
    --set-host-property=*) echo "$value" >> $home/properties;;
    --remove-host-tag=*|--remove-host-property=*)
      list=$home/tags
      case $argument in --remove-host-property=*) list=$home/properties;; esac
      grep -qxF -e "$value" $list || code=1
      grep -vxF -e "$value" $list > $list.new
      mv $list.new $list;;
    --set-*) setting=${argument%%=*}; echo "$value" > $home/${setting#--set-};;
    --restart-service) echo restarted >> $home/restarts;;
    *) echo "unknown: $argument" >&2; exit 2;;
  esac
done
exit $code
"""


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

    def server(self) -> ssl.SSLContext:
        """
        Return how a server on the loopback shows a certificate of this authority.
        """
        key, request, certificate, names = (
            self.certificate.parent / f"server.{suffix}" for suffix in ("key", "csr", "pem", "ext")
        )
        names.write_text("subjectAltName=IP:127.0.0.1\n")
        openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tenant", "-keyout", str(key),
            "-out", str(request),
        )  # fmt: skip
        openssl(
            "x509", "-req", "-in", str(request), "-days", "2", "-CA", str(self.certificate),
            "-CAkey", str(self.certificate.parent / "root.key"), "-CAcreateserial",
            "-extfile", str(names), "-out", str(certificate),
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

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


def script(version: str, mark: Path, path: Path) -> bytes:
    """
    Return an installer, not signed yet, that writes its arguments into the mark when it runs.
    """
    control = "".join(f"#CTL {line}\n" for line in ONEAGENTCTL.splitlines())
    text = INSTALLER.replace("@MARK@", str(mark)).replace("@PATH@", str(path))
    return (text.replace("@THIS@", version) + control).encode()
