"""
Tells whether the process that Dynatrace names is the one that a remedy would touch.

What Dynatrace tells comes from outside: it is compared, and never used as a path or a name.
"""

import os
import shlex

from ..service import programs

# What a message holds of a text from outside.
LONGEST_TEXT = 200
# Where the catalogue was matched by these, it says which service the process is of.
SAID_BY_CATALOGUE = ("remedy", "unit", "process")
# Where by these, it may be a process or the host alone that the event is about.
OF_ANYTHING = ("event", "severity", "tag", "minion")
TELLING = ("executable", "command_line", "config", "unit", "ports", "container")
# The marks by which a container has a name.
NAMING = ("CONTAINER_NAME: ", "CONTAINER_ID: ")


def contradiction(named, own, by=None):
    """
    Return why the two are not, or cannot be known to be, the same process; None when they are.

    ``named`` is the order's process. ``own`` are the settings of the service, its ``executable`` None when
    nothing tells it; ``listens``, the ports of its living main process (empty: none lives), and ``runs``,
    that process's executable. ``by`` is the kind by which the catalogue was matched, None where it was not.
    """
    if named.get("container"):
        return _another(f"one in a container ({_short(named['container'])})", _of_host(own))
    is_said = _is_said(named, by)
    if not is_said:
        unknown = _unidentified(named, own)
        if unknown:
            return unknown
    for compare in (_unit, _executable, _running, _ports):
        differs = compare(named, own)
        if differs:
            return differs
    # Without a configuration of our own there is nothing that it could contradict.
    if is_said and not own["config"]:
        return None
    return _config(named, own) or _options(named, own)


def container_contradiction(named, by=None):
    """
    Return the same for a container, which was chosen by the name that Dynatrace tells.
    """
    told = named.get("container") or ""
    if by == "remedy" or (by in OF_ANYTHING and not _is_process(named)):
        return None
    if not told:
        return _another("one outside of a container", "a container")
    if by in SAID_BY_CATALOGUE or told.startswith(NAMING):
        return None
    return (
        f"Dynatrace does not name the container ({_short(told)}), and a technology is no identity"
    )


def _is_said(named, by):
    return by in SAID_BY_CATALOGUE or (by in OF_ANYTHING and not _is_process(named))


def _is_process(named):
    is_one = str(named.get("entity") or "").startswith("PROCESS")
    return is_one or any(named.get(key) for key in TELLING)


def _unidentified(named, own):
    path, unit = _path(named.get("executable")), named.get("unit")
    if not path and not unit:
        return (
            "Dynatrace names neither the executable (EXE_PATH) nor the OS service of the process that "
            "is down, and a technology is no identity"
        )
    if unit:
        return None
    if not own["executable"]:
        return (
            f"Dynatrace names {_short(path)}, and it is not known what {_of_host(own)} runs: set "
            "`executable`"
        )
    if programs.is_interpreter(path) and not (own["config"] and _path(named.get("config"))):
        return (
            f"Dynatrace names {_short(path)}, which many services run, and no OS service: that is no "
            "identity. Name the process, or its unit, in the catalogue"
        )
    return None


def _of_host(own):
    return f"the service {own['service']}"


def _unit(named, own):
    unit, service = _plain(named.get("unit")), _plain(own["service"])
    if unit and unit not in (service, *map(_plain, own.get("units") or [])):
        return _another(f"the OS service {_short(unit)}", f"the service {service}")
    return None


def _executable(named, own):
    path, mine = _path(named.get("executable")), own["executable"]
    if path and mine and os.path.realpath(path) != os.path.realpath(mine):
        return _another(_short(path), mine)
    return None


def _running(named, own):
    runs, mine = own.get("runs"), own["executable"]
    if runs and mine and os.path.realpath(runs) != os.path.realpath(mine):
        told = f"the service {own['service']}, whose main process runs {runs}"
        return _another(_short(named.get("executable") or named.get("unit")), told)
    return None


def _config(named, own):
    path, config = _path(named.get("config")), own["config"]
    if not path:
        return None
    if not config:
        return None if _is_unit(named, own) else _unknown_config(path)
    if _is_own(path, config):
        return None
    return _another(f"one with the configuration {_short(path)}", f"the one with {config}")


def _options(named, own):
    config = own["config"]
    for option, values in _given(named.get("command_line"), own["config_options"]).items():
        if not config:
            if _is_unit(named, own):
                return None
            return _unknown_config(f"{option} {values[0]}")
        strange = _strange(values, config)
        if strange:
            began = f"one that was started with {_short(f'{option} {strange}')}"
            return _another(began, f"the one with {config}")
    return None


def _ports(named, own):
    ports, listens = named.get("ports") or [], own.get("listens") or []
    if not ports or not listens or set(ports) & set(listens):
        return None
    return _another(f"one that listens on {_list(ports)}", f"one that listens on {_list(listens)}")


def _given(command_line, options):
    """
    Return the options of a command line that tell an instance from another, with all values of each.
    """
    words, found = _words(command_line), {}
    for number, word in enumerate(words):
        for option in options:
            if word == option and number + 1 < len(words):
                found.setdefault(option, []).append(words[number + 1])
            elif word.startswith((option + "/", option + "=")):
                found.setdefault(option, []).append(word[len(option) :].removeprefix("="))
    return found


def _words(command_line):
    text = command_line if isinstance(command_line, str) else ""
    try:
        return shlex.split(text)
    except ValueError:
        # Cut off within quotes.
        return [word.strip("'\"") for word in text.split()]


def _strange(values, config):
    """
    Return the value of an option by which it is another instance: one has to lead to our configuration, and all others
    lie beside it.
    """
    if not any(_leads_to(value, config) for value in values):
        return values[0]
    return next((value for value in values if not _is_own(value, config)), None)


def _leads_to(value, config):
    if not os.path.isabs(value):
        # The program knows from where; the end of the path is what can be compared.
        return os.path.normpath("/" + config).endswith("/" + os.path.normpath(value))
    value, config = os.path.realpath(value), os.path.realpath(config)
    return value == config or config.startswith(value.rstrip("/") + "/")


def _is_own(path, config):
    inside = os.path.realpath(path).startswith(os.path.dirname(os.path.realpath(config)) + "/")
    return inside or _leads_to(path, config)


def _is_unit(named, own):
    return bool(_plain(named.get("unit"))) and not _unit(named, own)


def _path(value):
    """
    Return a full path as it is told, without what Linux adds to a file that was replaced; or None.
    """
    if not isinstance(value, str) or not os.path.isabs(value) or "\0" in value:
        return None
    return value.removesuffix(" (deleted)")


def _plain(unit):
    return unit.removesuffix(".service") if isinstance(unit, str) else None


def _another(named, own):
    return f"another process: Dynatrace names {named}, and this remedy would touch {own}"


def _unknown_config(told):
    return (
        f"Dynatrace names a process with {_short(told)}, and the remedy does not know which "
        "configuration its own has: set `config`"
    )


def _list(ports):
    return "port " + ", ".join(str(port) for port in sorted(set(ports)))


def _short(text):
    return str(text)[:LONGEST_TEXT]
