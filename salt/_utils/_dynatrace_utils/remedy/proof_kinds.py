"""
The kinds of proofs that do not speak HTTP: each is asked once, within the time of one request.

Each returns ``verdict`` and ``said``. ``fails`` is for what the site has named and does not hold; what cannot be
asked at all is ``unclear``, because a wrong proof must not restart what serves.
"""

import errno
import os
import socket
import subprocess
import tempfile
import time

from .. import bounded
from ..service import containers, processes, unit
from ..service import words as said
from .url import is_loopback

# Of what a command printed, from its end.
PRINTED = 4096
ACTIVE = ("active", "reloading", "refreshing")
GONE = (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN)
SOCKETS = ("SOCK_STREAM", "SOCK_SEQPACKET", "SOCK_DGRAM")


def tcp(proof, service, look, seen):
    """
    A port takes connections, and on the loopback it is the service's own.
    """
    host, port = proof["host"], proof["port"]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        socket.create_connection((host, port), timeout=service["timeout"]).close()
    except TimeoutError:
        return _fails(f"{where} takes no connection for {service['timeout']:g} s")
    except ConnectionError as err:
        return _fails(f"{where} takes no connection ({_reason(err)})")
    except OSError as err:
        return _unclear(f"{where} cannot be asked ({_reason(err)})")
    ports = [one for _, one in seen["listens"]] if seen and seen["listens"] is not None else [port]
    if is_loopback(host) and port not in ports:
        whose = f"{seen['executable']} (pid {seen['main']}) does not hold its port"
        return _unclear(f"{where} takes connections, but {whose}")
    return _serves(f"{where} takes connections")


def unix(proof, service, look, seen):
    """
    A socket in the file system takes connections.
    """
    path = proof["path"]
    for kind in SOCKETS:
        try:
            with socket.socket(socket.AF_UNIX, getattr(socket, kind)) as asked:
                asked.settimeout(service["timeout"])
                asked.connect(path)
            return _serves(f"{path} takes connections")
        except OSError as err:
            if err.errno == errno.EPROTOTYPE:
                continue
            told = f"{path} takes no connection ({_reason(err)})"
            is_gone = isinstance(err, TimeoutError) or err.errno in GONE
            return _fails(told) if is_gone else _unclear(told)
    return _unclear(f"{path} is a socket of another kind")


def unit_stays(proof, service, look, seen):
    """
    The service is active, and keeps its main process for ``stays`` seconds.
    """
    not_active = _not_active(seen)
    if not_active:
        return not_active
    left = service["stays"] - (time.time() - seen["since"])
    if left > 0:
        # A clock that was set back makes no process younger than this.
        time.sleep(min(left, service["stays"]))
        before, seen = seen, look()
        if seen["refusal"] and not seen["main"]:
            return _unclear(seen["refusal"])
        if (seen["main"], seen["since"]) != (before["main"], before["since"]) or seen["stopped"]:
            return _fails(f"its main process {before['main']} did not stay {service['stays']:g} s")
    name = seen["unit"] or service["service"] or seen["executable"]
    return _not_active(seen) or _serves(
        f"{name} is active, with the same main process for {service['stays']:g} s"
    )


def _not_active(seen):
    if seen["active"] is None or seen["active"] in ACTIVE:
        return None
    outside = ", and its main process runs outside of it" if seen.get("outside") else ""
    return _unclear(f"{seen['unit']} is {seen['active']}{outside}")


def command(proof, service, look, seen):
    """
    A command ends with 0 in time; one that does not is killed with its children.
    """
    words = proof["words"]
    # Its options may hold a password, and what is said goes to the problem in Dynatrace.
    told = words[0][:80] + " …" * (len(words) > 1)
    try:
        status, printed = bounded.call(service["timeout"], _ran, words, service["timeout"])
    except TimeoutError:
        return _fails(f"`{told}` did not end within {service['timeout']:g} s")
    except OSError as err:
        return _unclear(f"`{told}` cannot be run ({_reason(err)})")
    if status == 0:
        return _serves(f"`{told}` ended well")
    return _fails(f"`{told}` ended with {status}" + (f": {printed}" if printed else ""))


def _ran(words, seconds):
    environment = {**os.environ, "LC_ALL": "C", "PATH": unit.tools_path()}
    # A file and no pipe: what it leaves behind may keep it open.
    with tempfile.TemporaryFile() as output:
        ran = subprocess.run(
            words,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=seconds + 60,
            check=False,
        )
        output.seek(max(output.tell() - PRINTED, 0))
        return ran.returncode, said.clean(output.read(PRINTED).decode("utf-8", "replace"))


def disk(proof, service, look, seen):
    """
    A file system is less full than so many percent, as df counts them.
    """
    try:
        found = bounded.call(service["timeout"], os.statvfs, proof["path"])
    except TimeoutError:
        return _unclear(f"{proof['path']} does not answer within {service['timeout']:g} s")
    except OSError as err:
        return _unclear(f"{proof['path']} cannot be asked ({_reason(err)})")
    used = found.f_blocks - found.f_bfree
    full = 100 * used / ((used + found.f_bavail) or 1)
    told = f"{proof['path']} is {full:.1f}% full"
    return _serves(told) if full < proof["below"] else _fails(told)


def process(proof, service, look, seen):
    """
    A process of this machine, and of no container, runs the executable.
    """
    found = sorted(processes.family(proof["path"]))
    if found:
        return _serves(f"{proof['path']} runs (pid {found[0]})")
    return _fails(f"no process runs {proof['path']}")


def container(proof, service, look, seen):
    """
    A container of this name runs, and its own test of its health does not fail.
    """
    try:
        found = containers.named(proof["name"], service["timeout"])
    except processes.ERRORS as err:
        return _unclear(str(err))
    if found is None:
        return _fails(f"there is no container {proof['name']}")
    return _of_container(containers.state(found))


def container_stays(proof, service, look, seen):
    """
    The remedy's own container runs, and keeps its main process for ``stays`` seconds.
    """
    stays = unit_stays(proof, service, look, seen)
    return stays if stays["verdict"] != "serves" else _of_container(look())


def _of_container(seen):
    told = f"{seen['executable']} is {seen['active']}"
    if not seen["main"] or seen["stopped"]:
        return _fails(f"{seen['executable']} does not run")
    if seen["health"] == "unhealthy":
        return _fails(f"{seen['executable']} runs, and says of itself that it is unhealthy")
    if seen["health"] == "starting":
        return _unclear(f"{seen['executable']} runs, and its test of its health has not ended yet")
    return _serves(told)


KINDS = {
    "tcp": tcp,
    "unix": unix,
    "unit": unit_stays,
    "command": command,
    "disk": disk,
    "process": process,
    "container": container,
    "stays": container_stays,
}


def _serves(told):
    return {"verdict": "serves", "said": told}


def _fails(told):
    return {"verdict": "fails", "said": told}


def _unclear(told):
    return {"verdict": "unclear", "said": told}


def _reason(err):
    return err.strerror or str(err) or type(err).__name__
