"""
Tells whether the process that Dynatrace names is the one that a remedy would touch.

What Dynatrace tells comes from outside: it is compared, and never used as a path or a name.
"""

import os
import shlex

# What a message holds of a text from outside.
LONGEST_TEXT = 200


def contradiction(named, own):
    """
    Return why the two are not, or cannot be known to be, the same process; None when they are.

    ``named`` is the order's process. ``own`` are the settings of the service; ``listens``, the ports of
    its living main process (empty: none lives), and ``runs``, that process's executable.
    """
    if not _path(named.get("executable")) and not named.get("unit"):
        return (
            "Dynatrace names neither the executable (EXE_PATH) nor the OS service of the process that "
            "is down, and a technology is no identity"
        )
    for compare in (_unit, _executable, _running, _config, _options, _ports):
        differs = compare(named, own)
        if differs:
            return differs
    return None


def _unit(named, own):
    unit, service = _plain(named.get("unit")), _plain(own["service"])
    if unit and unit not in (service, *map(_plain, own.get("units") or [])):
        return _another(f"the OS service {_short(unit)}", f"the service {service}")
    return None


def _executable(named, own):
    path = _path(named.get("executable"))
    if path and os.path.realpath(path) != os.path.realpath(own["executable"]):
        return _another(_short(path), own["executable"])
    return None


def _running(named, own):
    runs = own.get("runs")
    if runs and os.path.realpath(runs) != os.path.realpath(own["executable"]):
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
    for option, value in _given(named.get("command_line"), own["config_options"]):
        config = own["config"]
        if not config:
            if _is_unit(named, own):
                return None
            return _unknown_config(f"{option} {value}")
        if not _leads_to(value, config):
            began = f"one that was started with {_short(f'{option} {value}')}"
            return _another(began, f"the one with {config}")
    return None


def _ports(named, own):
    ports, listens = named.get("ports") or [], own.get("listens") or []
    if not ports or not listens or set(ports) & set(listens):
        return None
    return _another(f"one that listens on {_list(ports)}", f"one that listens on {_list(listens)}")


def _given(command_line, options):
    """
    Return the options of a command line that tell an instance from another, with their values.
    """
    words = _words(command_line)
    for number, word in enumerate(words):
        for option in options:
            if word == option and number + 1 < len(words):
                yield option, words[number + 1]
            elif word.startswith((option + "/", option + "=")):
                yield option, word[len(option) :].removeprefix("=")


def _words(command_line):
    text = command_line if isinstance(command_line, str) else ""
    try:
        return shlex.split(text)
    except ValueError:
        # Cut off within quotes.
        return [word.strip("'\"") for word in text.split()]


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
