"""
Decides whether the unit that Dynatrace names may be brought back, where the catalogue has globs and no service.

The name is text from outside: it is compared with the pattern of a unit and with the globs, and then asked for by
systemd, before it is anything.
"""

import time
from fnmatch import fnmatchcase

from salt.exceptions import CommandExecutionError

from ..service import unit

LONGEST_TEXT = 80
# From what a generator makes services that are none of a site's own: mounts, swap, disks.
NO_SERVICES = ("/etc/fstab", "/etc/crypttab", "/proc/")
GENERATED = "/run/systemd/generator"
# Dynatrace sees a failure minutes after it; what was at rest for longer by then is another unit than the one that failed.
SLACK_S = 1800


def chosen(name, globs, failed=None):
    """
    Return the full name of the unit that is meant; raise with the reason when nothing may be done with it.

    ``failed`` is since when Dynatrace sees it down, in seconds since the epoch, None where that is not told.
    """
    if not name:
        raise CommandExecutionError(
            "no unit is named: the order has none, and by hand `service` is needed"
        )
    refusal = _text(name) or _glob(name, globs)
    if refusal:
        raise CommandExecutionError(f"{_short(name)} {refusal}")
    if not unit.is_booted():
        raise CommandExecutionError(f"{_short(name)} is a unit, and systemd does not run here")
    found = unit.read(name)
    refusal = unit.refusal(found) or _generated(found) or _at_rest_before(found, failed)
    if refusal:
        raise CommandExecutionError(refusal)
    return unit.full_name(name)


def _text(name):
    """
    Return why a text is no name of a service's unit, or None.
    """
    if not unit.UNIT.fullmatch(name) or name.startswith(("-", ".")):
        return "is no name of a unit"
    full = unit.full_name(name)
    if not full.endswith(".service"):
        return f"is no service but a {full.rpartition('.')[2]}"
    if full.endswith("@.service"):
        return "is a template, and no unit that runs"
    return None


def _glob(name, globs):
    plain = name.removesuffix(".service")
    if any(fnmatchcase(plain, glob.removesuffix(".service")) for glob in globs):
        return None
    return f"is not in the catalogue, which has {', '.join(globs)[:LONGEST_TEXT]}"


def _generated(found):
    path, source = found["FragmentPath"], found["SourcePath"]
    if path.startswith(GENERATED) and (not source or source.startswith(NO_SERVICES)):
        return f"the unit {found['Id']} is generated from {source or 'something else'}, and is no service of its own"
    return None


def _at_rest_before(found, failed):
    """
    Return why a unit is not the one that failed, or None: topology keeps the units of a host for hours.
    """
    ended = unit.number(found["InactiveEnterTimestampMonotonic"])
    if failed is None or not ended or found["ActiveState"] not in unit.AT_REST:
        return None
    before = (time.monotonic() - ended / 1e6) - (time.time() - failed)
    if before <= SLACK_S:
        return None
    return (
        f"{found['Id']} was stopped {before / 3600:.1f} h before Dynatrace saw it fail: its topology may name a "
        "unit that is used no more"
    )


def _short(name):
    return repr(name[:LONGEST_TEXT])
