"""
Finds the remedies of the master's catalogue by which a service is healed by hand.
"""

from fnmatch import fnmatchcase

import salt.loader

KEY = "dynatrace_remedies"
STATE = "dynatrace.remedy"


def names(opts):
    """
    Return the names of the catalogue, whatever else the configuration holds in its place.
    """
    catalogue = opts.get(KEY)
    return [one for one in catalogue if isinstance(one, str)] if isinstance(catalogue, dict) else []


def technologies(opts):
    """
    Return by technology the name of the first entry that takes it.
    """
    found = {}
    for name in names(opts):
        entry = opts[KEY][name]
        on = (entry.get("on") or entry.get(True)) if isinstance(entry, dict) else None
        given = on.get("technology") if isinstance(on, dict) else None
        listed = given if isinstance(given, list) else [given]
        for one in [one for one in listed if isinstance(one, str)]:
            found.setdefault(one, name)
    return found


def order(opts, service):
    """
    Return what ``dynatrace.remedy`` gets as its pillar ``dynatrace_remedy``, None where no remedy takes the service.

    A service is meant by the name of its remedy, or else as the unit that one remedy takes by its globs.
    """
    known = names(opts)
    if not known:
        return None
    read = salt.loader.minion_mods(opts, whitelist=["dynatrace_master"])["dynatrace_master.remedy"]
    if service in known:
        return read(service)
    taking = [
        one
        for one in map(read, known)
        if one
        and any(fnmatchcase(service, _stem(glob)) for glob in one["settings"].get("units", ()))
    ]
    if len(taking) != 1:
        return None
    return {**taking[0], "settings": {"service": service, **taking[0]["settings"]}}


def _stem(glob):
    return str(glob).removesuffix(".service")
