"""
The grain ``dynatrace``: by which id Dynatrace knows this host.

.. code-block:: yaml

    dynatrace:
      host_id: HOST-5FD609AD6757BE7D
      host_group: web
      tenant: abc12345
      oneagent_version: 1.303.50.20241015-120000

The engine matches a problem's host with it. Asked in this order, the first that knows the id wins:
the enrichment file of the OneAgent, ``oneagentctl``, and ``ruxithost.id``. Tenant and version are
known by ``oneagentctl`` only, and left out when it does not tell. Without a OneAgent there is no
grain, and nothing is logged.

What a OneAgent leaves behind when it is uninstalled names a host that this machine may not be: a
clone of it, or one that was made of its image. So the files count only where ``oneagentctl`` is.

Grains are collected often, so what ``oneagentctl`` said is kept in ``<cachedir>/dynatrace``, until
one of those files changes, at most an hour. Other places are set in the minion's configuration:
``dynatrace_enrichment_file``, ``dynatrace_oneagentctl``, ``dynatrace_host_id_file``. A OneAgent that
has no ``oneagentctl`` on this host, in a container say, is believed when one of the two files is set
there, and ``oneagentctl`` is not.
"""

import contextlib
import json
import os
import re
import subprocess
import time

HOST_ID = re.compile(r"(?:HOST-)?(?:0x)?([0-9a-f]{16})", re.IGNORECASE)
# A host group's name is at most 100 of these.
HOST_GROUP = re.compile(r"[A-Za-z0-9._-]{1,100}")
TENANT = re.compile(r"[A-Za-z0-9-]{1,64}")
VERSION = re.compile(r"\d{1,4}(?:\.\d{1,6}){2,3}(?:\.?[\d-]{1,20})?")
READ_LIMIT = 65536
# Of the calls for one answer together.
ONEAGENTCTL_TIMEOUT_S = 5
# When it told all there is to know, and when it did not.
KEEP_S = 3600
KEEP_INCOMPLETE_S = 300
PLACES = ("dynatrace_enrichment_file", "dynatrace_oneagentctl", "dynatrace_host_id_file")


def dynatrace():
    """
    Return the grain, or an empty mapping where there is no OneAgent.
    """
    marks = [_mark(_place(key)) for key in PLACES]
    if not any(marks) or not _is_installed(marks):
        return {}
    identity = _kept(marks)
    if identity is None:
        identity = _identity()
        _keep(marks, identity)
    return {"dynatrace": identity} if identity else {}


def _is_installed(marks):
    if marks[PLACES.index("dynatrace_oneagentctl")]:
        return True
    named = [key for key in PLACES if __opts__.get(key)]
    return bool(named) and "dynatrace_oneagentctl" not in named


def _identity():
    for source in (_from_enrichment_file, _from_oneagentctl, _from_host_id_file):
        identity = {key: value for key, value in source().items() if value}
        if "host_id" in identity:
            return {**identity, **_about_oneagent()}
    return {}


def _from_enrichment_file():
    try:
        facts = json.loads(_read(_place("dynatrace_enrichment_file")))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(facts, dict):
        return {}
    return {
        "host_id": _host_id(facts.get("dt.entity.host")),
        "host_group": _host_group(facts.get("dt.host_group.id")),
    }


def _from_oneagentctl():
    host_id, host_group = _answers("--get-host-id", "--get-host-group")
    return {"host_id": _host_id(host_id), "host_group": _host_group(host_group)}


def _from_host_id_file():
    lines = _read(_place("dynatrace_host_id_file")).splitlines()
    return {"host_id": _host_id(lines[0] if lines else None)}


def _about_oneagent():
    """
    Return what no file tells, if it can be kept: it would be asked each time otherwise.
    """
    if not _cache():
        return {}
    tenant, version = _answers("--get-tenant", "--version")
    facts = {"tenant": _matching(TENANT, tenant), "oneagent_version": _matching(VERSION, version)}
    return {key: value for key, value in facts.items() if value}


def _host_id(value):
    found = HOST_ID.fullmatch(value.strip()) if isinstance(value, str) else None
    return "HOST-" + found.group(1).upper() if found else None


def _host_group(value):
    return _matching(HOST_GROUP, value)


def _matching(form, value):
    value = value.strip() if isinstance(value, str) else ""
    return value if form.fullmatch(value) else None


def _read(path):
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as handle:
            return handle.read(READ_LIMIT)
    except (OSError, TypeError, ValueError):
        return ""


def _answers(*getters):
    """
    Return what oneagentctl answers to each; nothing more is asked once one fails or hangs.
    """
    oneagentctl = _place("dynatrace_oneagentctl")
    until = time.monotonic() + ONEAGENTCTL_TIMEOUT_S
    answers = []
    for getter in getters if os.path.isfile(oneagentctl) else ():
        answer = _output(oneagentctl, getter, until - time.monotonic())
        if answer is None:
            break
        answers.append(answer)
    return answers + [None] * (len(getters) - len(answers))


def _output(oneagentctl, getter, timeout_s):
    try:
        ran = subprocess.run(
            [oneagentctl, getter],
            capture_output=True,
            timeout=max(timeout_s, 0),
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ran.stdout.decode("utf-8", "replace")


def _kept(marks):
    """
    Return what was found when the files were the same and not long ago, else None.
    """
    try:
        kept = json.loads(_read(_cache()))
        age_s = time.time() - kept["at"]
        identity = {key: str(value) for key, value in kept["identity"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    complete = {"host_id", "tenant", "oneagent_version"} <= identity.keys()
    good = kept.get("marks") == marks and 0 <= age_s < (KEEP_S if complete else KEEP_INCOMPLETE_S)
    return identity if good else None


def _keep(marks, identity):
    if not _cache():
        return
    # A minion that may not write here asks again.
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(_cache()), mode=0o700, exist_ok=True)
        new = f"{_cache()}.{os.getpid()}"
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump({"at": time.time(), "marks": marks, "identity": identity}, stream)
        os.replace(new, _cache())


def _cache():
    directory = __opts__.get("cachedir")
    return os.path.join(directory, "dynatrace", "grain.json") if directory else None


def _mark(path):
    """
    Return what changes with a file's content, None without the file.
    """
    try:
        status = os.stat(path)
    except (OSError, TypeError, ValueError):
        return None
    return [status.st_mtime_ns, status.st_size, status.st_ino]


def _place(key):
    return __opts__.get(key) or _places()[key]


def _places():
    if os.name == "nt":
        data = os.environ.get("PROGRAMDATA", r"C:\ProgramData")
        programs = os.environ.get("PROGRAMFILES", r"C:\Program Files")
        return {
            "dynatrace_enrichment_file": data + r"\dynatrace\enrichment\dt_host_metadata.json",
            "dynatrace_oneagentctl": programs + r"\dynatrace\oneagent\agent\tools\oneagentctl.exe",
            "dynatrace_host_id_file": data + r"\dynatrace\oneagent\agent\config\ruxithost.id",
        }
    return {
        "dynatrace_enrichment_file": "/var/lib/dynatrace/enrichment/dt_host_metadata.json",
        "dynatrace_oneagentctl": "/opt/dynatrace/oneagent/agent/tools/oneagentctl",
        "dynatrace_host_id_file": "/var/lib/dynatrace/oneagent/agent/config/ruxithost.id",
    }
