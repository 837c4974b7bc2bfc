"""
The grain ``dynatrace``: by which id Dynatrace knows this host.

.. code-block:: yaml

    dynatrace:
      host_id: HOST-5FD609AD6757BE7D
      host_group: web

The engine matches a problem's host with it. Asked in this order, the first that knows the id wins:
the enrichment file of the OneAgent, ``oneagentctl``, and ``ruxithost.id``. Without a OneAgent there
is no grain, and nothing is logged. Other places are set in the minion's configuration:
``dynatrace_enrichment_file``, ``dynatrace_oneagentctl``, ``dynatrace_host_id_file``.
"""

import json
import os
import re
import subprocess

HOST_ID = re.compile(r"(?:HOST-)?(?:0x)?([0-9a-f]{16})", re.IGNORECASE)
# A host group's name is at most 100 of these.
HOST_GROUP = re.compile(r"[A-Za-z0-9._-]{1,100}")
READ_LIMIT = 65536
ONEAGENTCTL_TIMEOUT_S = 5


def dynatrace():
    """
    Return the grain, or an empty mapping where there is no OneAgent.
    """
    for source in (_from_enrichment_file, _from_oneagentctl, _from_host_id_file):
        identity = {key: value for key, value in source().items() if value}
        if "host_id" in identity:
            return {"dynatrace": identity}
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
    oneagentctl = _place("dynatrace_oneagentctl")
    if not os.path.isfile(oneagentctl):
        return {}
    host_id = _host_id(_output(oneagentctl, "--get-host-id"))
    if host_id is None:
        return {}
    return {"host_id": host_id, "host_group": _host_group(_output(oneagentctl, "--get-host-group"))}


def _from_host_id_file():
    lines = _read(_place("dynatrace_host_id_file")).splitlines()
    return {"host_id": _host_id(lines[0] if lines else None)}


def _host_id(value):
    found = HOST_ID.fullmatch(value.strip()) if isinstance(value, str) else None
    return "HOST-" + found.group(1).upper() if found else None


def _host_group(value):
    value = value.strip() if isinstance(value, str) else ""
    return value if HOST_GROUP.fullmatch(value) else None


def _read(path):
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as handle:
            return handle.read(READ_LIMIT)
    except (OSError, TypeError, ValueError):
        return ""


def _output(*command):
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            timeout=ONEAGENTCTL_TIMEOUT_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.decode("utf-8", "replace")


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
