"""
Says in the words of OS-service policies which systemd units are meant, and which units a catalogue names.

A policy must take exactly the units that a glob takes: one too many is a service that nobody asked to be
healed. What cannot be said exactly is refused with a reason.
"""

import re

from ..dunders import __salt__

DOWN = "$or($eq(inactive),$eq(failed))"
#: The event of a policy, and the severity of its problem; what takes others is not asked for by one.
EVENT, SEVERITY = "AVAILABILITY_EVENT", "AVAILABILITY"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MOST_UNITS = 50

# On the master; and on the minion that it asks to set the policies, the entries of it as inline pillar.
CATALOGUE, HANDED_ON = "dynatrace_remedies", "dynatrace_os_services"

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@*-]{1,255}")
_NO_SERVICE = re.compile(
    r".*\.(?:automount|device|mount|path|scope|slice|snapshot|socket|swap|target|timer)"
)


def condition(units):
    """
    Return the condition on ``ServiceName`` that takes these units and no others.
    """
    conditions = list(dict.fromkeys(_condition(_name(unit)) for unit in units))
    return conditions[0] if len(conditions) == 1 else f"$or({','.join(conditions)})"


def problems(units):
    """
    Return what is wrong with a list of names and globs of units, each in a sentence.
    """
    if not isinstance(units, list) or not 0 < len(units) <= MOST_UNITS:
        return [f"`units` is a list of 1 to {MOST_UNITS} names or globs of systemd units"]
    reasons = ((unit, _refusal(unit)) for unit in units)
    return [f"`units`: {unit!r:.80} {reason}" for unit, reason in reasons if reason]


def asked(given):
    """
    Return the options by remedy, of what pillar gives; where that is None, those of the catalogue.
    """
    if given is None:
        handed = __salt__["config.get"](HANDED_ON, None, omit_grains=True)
        given = (
            {one["name"]: one for one in handed}
            if handed
            else of_catalogue(__salt__["config.get"](CATALOGUE, None, omit_grains=True))
        )
    return {name: one if isinstance(one, dict) else {"units": one} for name, one in given.items()}


def of_catalogue(remedies):
    """
    Return the units of a catalogue of remedies: ``{"nginx": {"units": ["nginx"], "remedy": "nginx"}}``.

    They are those that ``on: unit`` names and the ``service`` of an entry, whatever the family of the
    system. What is no entry is left out, and so is what never takes the event of a policy.
    """
    if not isinstance(remedies, dict):
        return {}
    found = {name: _of_entry(entry) for name, entry in remedies.items() if _is_entry(name, entry)}
    return {
        name: {"units": units, "remedy": (_texts(_on(remedies[name]).get("remedy")) or [name])[0]}
        for name, units in found.items()
        if units
    }


def _condition(name):
    parts = name.split("*")
    if len(parts) == 1:
        return f"$eq({name})"
    if len(parts) == 3:
        return f"$contains({parts[1]})"
    begin, end = parts
    if begin and end:
        return f"$and($prefix({begin}),$suffix({end}))"
    return f"$prefix({begin})" if begin else f"$suffix({end})"


def _refusal(unit):
    if not isinstance(unit, str) or not _UNIT.fullmatch(unit):
        return "is no name or glob of a unit; of wildcards only * can be said in a policy"
    name = _name(unit)
    if _NO_SERVICE.fullmatch(name):
        return "is no service"
    if not name.strip("*"):
        return "would take every unit"
    parts = name.split("*")
    if len(parts) > 3 or (len(parts) == 3 and (parts[0] or parts[2])):
        return "cannot be said in a policy: write x*, *x, *x* or x*y, or the names themselves"
    if len(parts) == 2 and (overlap := _overlap(*parts)):
        return (
            f"cannot be said in a policy: it would take {overlap}, too; write the names themselves"
        )
    return None


def _overlap(begin, end):
    """
    Return a name that begins and ends as wanted, and is too short for both, or None.
    """
    for length in range(min(len(begin), len(end)), 0, -1):
        if begin[-length:] == end[:length]:
            return begin + end[length:]
    return None


def _name(unit):
    # Dynatrace names an OS service without it.
    return unit.removesuffix(".service")


def _is_entry(name, entry):
    if not (isinstance(name, str) and NAME.fullmatch(name) and isinstance(entry, dict)):
        return False
    on = _on(entry)
    return all(
        on.get(key) is None or wanted in _texts(on[key])
        for key, wanted in (("event", EVENT), ("severity", SEVERITY))
    )


def _of_entry(entry):
    presets = entry.get("os_family")
    presets = presets.values() if isinstance(presets, dict) else ()
    services = [one.get("service") for one in (entry, *presets) if isinstance(one, dict)]
    units = [*_texts(_on(entry).get("unit")), *(unit for one in services for unit in _texts(one))]
    return list(dict.fromkeys(units))


def _on(entry):
    # YAML reads an `on` without quotes as true.
    on = entry.get("on", entry.get(True))
    return on if isinstance(on, dict) else {}


def _texts(value):
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str) and one]
