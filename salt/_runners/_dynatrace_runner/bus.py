"""
Asks the engines of this master over its event bus: a signed event goes out, and only signed answers count.
"""

import getpass
import logging
import os
import time
import uuid

import salt.loader
import salt.utils.event
from salt.exceptions import CommandExecutionError

log = logging.getLogger(__name__)

ANSWER = "dynatrace/answer/"


def ask(opts, command, instance, timeout, args):
    """
    Return the whole answer of each engine by its name; raises CommandExecutionError when none answers.
    """
    if not isinstance(instance, (str, type(None))):
        raise CommandExecutionError("`instance` is the name of an engine")
    module = salt.loader.minion_mods(opts, whitelist=["dynatrace_master"])
    if "dynatrace_master.sign" not in module:
        raise CommandExecutionError(
            "the execution module `dynatrace_master` is not found by this master: see module_dirs in master.d/roots.conf"
        )
    own_id = uuid.uuid4().hex
    order = {"id": own_id, "command": command, "instance": instance, "who": _who(), **args}
    signed = module["dynatrace_master.sign"](order, float(timeout) + 5)
    with salt.utils.event.get_event("master", opts=opts, listen=True) as bus:
        bus.subscribe(ANSWER + own_id)
        if not bus.fire_event(signed, f"dynatrace/command/{own_id}", timeout=2000):
            raise CommandExecutionError(
                "the master's event bus takes no event: is the salt-master running, and are you its user?"
            )
        expected = {instance} if instance else set(configured(opts)) or {"dynatrace"}
        answers = _collect(bus, module, own_id, expected, float(timeout))
    if not answers:
        raise CommandExecutionError(
            f"no Dynatrace engine answered within {timeout} s. Does it run? "
            "ps ax | grep -F 'Engine(salt.loaded.ext.engines.dynatrace' — and see docs/how-to/troubleshoot.md"
        )
    return answers


def _collect(bus, module, own_id, expected, timeout):
    until = time.monotonic() + timeout
    parts = {}
    while time.monotonic() < until:
        event = bus.get_event(wait=0.5, tag=ANSWER + own_id, full=True, auto_reconnect=True)
        data = event["data"] if event else None
        # Any minion can answer on this tag; only the engine can sign.
        if not data or not module["dynatrace_master.signed"](data) or data.get("id") != own_id:
            continue
        parts.setdefault(data["instance"], {})[data["page"]] = data
        done = {name for name, pages in parts.items() if len(pages) == pages[min(pages)]["pages"]}
        if done >= expected:
            break
    for name in expected - set(parts):
        log.warning("the Dynatrace engine %s did not answer within %s s", name, timeout)
    return {name: _whole(pages) for name, pages in parts.items()}


def _whole(pages):
    ordered = [pages[number] for number in sorted(pages)]
    return {**ordered[0], "rows": [row for page in ordered for row in page.get("rows", ())]}


def joined(answer):
    """
    Return the facts of an answer with its lists, whose rows name the list that they are of.
    """
    found = {name: list(value) if value == [] else value for name, value in answer["facts"].items()}
    for row in answer["rows"]:
        [(name, one)] = row.items()
        found[name].append(one)
    return found


def configured(opts):
    """
    Return the options of each engine of ours in the master's configuration, by its name.
    """
    found = {}
    engines = opts.get("engines") or []
    for name, options in engines.items() if isinstance(engines, dict) else map(_first, engines):
        given = dict(options) if isinstance(options, dict) else {}
        if given.pop("engine_module", name) == "dynatrace":
            found[str(name)] = given
    return found


def _first(entry):
    """
    Return name and options of an entry: Salt takes its first key and passes over the others.
    """
    return next(iter(entry.items()), (None, None)) if isinstance(entry, dict) else (entry, None)


def _who():
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
