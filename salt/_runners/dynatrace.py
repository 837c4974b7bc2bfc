"""
Asks the Dynatrace engine of this master what it does, and pauses, resumes or retries.

The engine owns its ledger; this runner sends it a signed event and waits for the answer on the bus. Every answer names
the engine that gave it. With several instances each answers; ``instance=<name>`` asks one.

.. code-block:: bash

    salt-run dynatrace.status
    salt-run dynatrace.problems
    salt-run dynatrace.show P-2407114
    salt-run dynatrace.history
    salt-run dynatrace.pause reason='change CH-1234'
    salt-run dynatrace.resume
    salt-run dynatrace.retry P-2407114
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

TIMEOUT_S = 5
ANSWER = "dynatrace/answer/"


def status(instance=None, timeout=TIMEOUT_S):
    """
    Tell whether the engine works: last poll, API, queue, pause, counters.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.status
    """
    return _facts("status", instance, timeout)


def problems(instance=None, timeout=TIMEOUT_S):
    """
    List the open problems: severity, age, minions, attempts, and what the engine waits for.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.problems
        salt-run dynatrace.problems --out=json
    """
    columns = ("problem", "severity", "age", "minions", "attempts", "state")
    return _rows("problems", columns, instance, timeout)


def show(display_id, instance=None, timeout=TIMEOUT_S):
    """
    Show one problem with its targets and every attempt on it.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.show P-2407114
    """
    return _facts("show", instance, timeout, rows="attempts", display_id=str(display_id))


def history(instance=None, timeout=TIMEOUT_S):
    """
    List the latest attempts, newest first.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.history
    """
    columns = ("created", "problem", "minions", "attempt", "state", "took")
    return _rows("history", columns, instance, timeout)


def pause(reason, instance=None, timeout=TIMEOUT_S):
    """
    Let the engine act on nothing until ``resume``; it stays paused over restarts.

    Problems are still announced, and outcomes of what runs already are still recorded.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.pause reason='change CH-1234'
    """
    return _facts("pause", instance, timeout, reason=str(reason))


def resume(instance=None, timeout=TIMEOUT_S):
    """
    End a pause; what is still open is read again before it is acted on.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.resume
    """
    return _facts("resume", instance, timeout)


def retry(display_id, instance=None, timeout=TIMEOUT_S):
    """
    Have a problem decided again that was escalated or left alone, under the usual rules.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace.retry P-2407114
    """
    return _facts("retry", instance, timeout, display_id=str(display_id))


def _facts(command, instance, timeout, rows=None, **args):
    found = {}
    try:
        answers = _ask(command, instance, timeout, args)
    except CommandExecutionError as err:
        return _checked(str(err))  # Raised, it would reach the admin as a traceback.
    for name, answer in answers.items():
        facts = answer.get("facts") or {"error": answer.get("error", "an empty answer")}
        found[name] = {**facts, **({rows: answer["rows"]} if rows and "facts" in answer else {})}
    return _checked(found)


def _rows(command, columns, instance, timeout):
    """
    Return the rows of each engine; on a terminal as a table of at most 100 columns.
    """
    try:
        answers = _ask(command, instance, timeout, {})
    except CommandExecutionError as err:
        return _checked(str(err))
    found = {
        name: answer["rows"] if "error" not in answer else {"error": answer["error"]}
        for name, answer in answers.items()
    }
    if __opts__.get("output") in (None, "nested", "highstate"):
        # Salt's own table outputter cannot leave columns out; other outputters get the rows whole.
        return _checked({name: _table(rows, columns) for name, rows in found.items()})
    return _checked(found)


def _checked(found):
    """
    Return what is shown, with the code that ``salt-run`` exits with if it is, or holds, an error.
    """
    if isinstance(found, str):
        return {"error": found, "retcode": 1}
    if any(isinstance(it, dict) and "error" in it for it in found.values()):
        return {**found, "retcode": 1}
    return found


def _table(rows, columns, width=98):
    """
    Return rows as lines of text, the widest column cut so that each fits.
    """
    if not isinstance(rows, list):
        return rows
    if not rows:
        return "none"
    texts = [[_cell(row.get(column)) for column in columns] for row in rows]
    sizes = [max(len(line[at]) for line in [list(columns), *texts]) for at in range(len(columns))]
    while sum(sizes) + 2 * (len(sizes) - 1) > width - 6:
        widest = sizes.index(max(sizes))
        sizes[widest] -= 1
    lines = [list(columns), ["-" * size for size in sizes], *texts]
    return "\n".join(
        "  ".join(_fit(cell, size) for cell, size in zip(line, sizes, strict=True)).rstrip()
        for line in lines
    )


def _cell(value):
    text = (
        ", ".join(map(str, value))
        if isinstance(value, list)
        else ""
        if value is None
        else str(value)
    )
    return " ".join(text.split())


def _fit(text, size):
    return (text if len(text) <= size else text[: max(size - 1, 0)] + "…").ljust(size)


def _ask(command, instance, timeout, args):
    """
    Return the whole answer of each engine by its name; raises CommandExecutionError when none answers.
    """
    module = salt.loader.minion_mods(__opts__, whitelist=["dynatrace"])
    if "dynatrace.sign" not in module:
        raise CommandExecutionError(
            "the execution module `dynatrace` is not found by this master: see module_dirs in master.d/roots.conf"
        )
    own_id = uuid.uuid4().hex
    order = {"id": own_id, "command": command, "instance": instance, "who": _who(), **args}
    signed = module["dynatrace.sign"](order, float(timeout) + 5)
    with salt.utils.event.get_event("master", opts=__opts__, listen=True) as bus:
        bus.subscribe(ANSWER + own_id)
        if not bus.fire_event(signed, f"dynatrace/command/{own_id}", timeout=2000):
            raise CommandExecutionError(
                "the master's event bus takes no event: is the salt-master running, and are you its user?"
            )
        answers = _collect(bus, module, own_id, instance, float(timeout))
    if not answers:
        raise CommandExecutionError(
            f"no Dynatrace engine answered within {timeout} s. Does it run? "
            "ps ax | grep -F 'Engine(salt.loaded.ext.engines.dynatrace' — and see docs/troubleshooting.md"
        )
    return answers


def _collect(bus, module, own_id, instance, timeout):
    until = time.monotonic() + timeout
    expected = {instance} if instance else _instances()
    parts = {}
    while time.monotonic() < until:
        event = bus.get_event(wait=0.5, tag=ANSWER + own_id, full=True, auto_reconnect=True)
        data = event["data"] if event else None
        # Any minion can answer on this tag; only the engine can sign.
        if not data or not module["dynatrace.signed"](data) or data.get("id") != own_id:
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


def _instances():
    """
    Return the names of the engines that this master is configured with.
    """
    found = set()
    for entry in __opts__.get("engines") or []:
        for name, options in entry.items() if isinstance(entry, dict) else ((entry, None),):
            module = (
                (options or {}).get("engine_module", name) if isinstance(options, dict) else name
            )
            if module == "dynatrace":
                found.add(str(name))
    return found or {"dynatrace"}


def _who():
    """
    Return who runs this, also behind sudo.
    """
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
