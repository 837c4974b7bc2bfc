"""
Remembers what the tenant's settings were before ``dynatrace_tenant`` changed them.

The record is ``<cachedir>/dynatrace/tenant/record.json``, by tenant and object id. An entry holds
kind and label of what the object was changed for, its value ``before`` (None: there was none), the
value that was ``set``, when the tenant says that it was ``modified``, and a fingerprint of the
secret that was sent: secrets cannot be read back, so only this tells whether another one is to be
sent. No secret is in it: Dynatrace masks those in what it shows, and the fingerprint is keyed with
a random number. The file is for the minion's user alone all the same.

Losing it is no harm but these: an object that a person had made, and that was changed since, stays
as it is when the state is taken back; and the secret is sent once more.
"""

import hashlib
import hmac
import secrets

from salt.exceptions import CommandExecutionError

from .. import disk
from . import access
from . import options as tenant_options

RECORD = "tenant"
RECORD_LIMIT = 16 * 1024 * 1024
# For the log, when it cannot be read.
WITHOUT = "what was there before is not known"
KEY_BYTES = 32


def recall():
    """
    Return the entries of this tenant by object id.
    """
    return _tenant(_load())


def remember(object_id, entry):
    """
    Keep the entry of one object, in place of the one that there was.
    """
    record = _load()
    record["tenants"][access.tenant()] = {**_tenant(record), object_id: entry}
    disk.write(RECORD, record)


def forget(object_id):
    """
    Remove the entry of one object.
    """
    record = _load()
    entries = _tenant(record)
    if entries.pop(object_id, None) is not None:
        record["tenants"][access.tenant()] = entries
        disk.write(RECORD, record)


def to_take_back(kind):
    """
    Return what an SLS has to take back, and never raise: see ``dynatrace_tenant.to_take_back``.
    """
    asked = tenant_options.asked(kind)
    if asked["problem"]:
        return asked
    names = [one["name"] for one in asked["entries"]]
    try:
        entries = recall().values()
    except CommandExecutionError as err:
        return {"problem": str(err), "entries": []}
    kinds = (kind, kind.removesuffix("s"))
    labels = {str(one.get("label")) for one in entries if one.get("kind") in kinds}
    names += sorted(labels - set(names))
    return {"problem": None, "entries": [{"name": one} for one in names]}


def fingerprint(secret):
    """
    Return what tells whether a secret is the same as the one that was sent: never on a command line.
    """
    record = _load()
    if "key" not in record:
        record["key"] = secrets.token_hex(KEY_BYTES)
        disk.write(RECORD, record)
    return hmac.new(bytes.fromhex(record["key"]), secret.encode(), hashlib.sha256).hexdigest()


def _tenant(record):
    entries = record["tenants"].get(access.tenant())
    entries = entries if isinstance(entries, dict) else {}
    return {key: entry for key, entry in entries.items() if isinstance(entry, dict)}


def _load():
    record = {"tenants": {}}
    found = disk.read(RECORD, RECORD_LIMIT, WITHOUT)
    if isinstance(found, dict) and isinstance(found.get("tenants"), dict):
        record["tenants"] = found["tenants"]
        key = found.get("key")
        if (
            isinstance(key, str)
            and len(key) == 2 * KEY_BYTES
            and set(key) <= set("0123456789abcdef")
        ):
            record["key"] = key
    return record
