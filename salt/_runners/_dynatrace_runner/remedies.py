"""
Shows the catalogue of remedies as an engine reads it, and what each would take of the tenant's processes now.
"""

from salt.exceptions import CommandExecutionError

from . import bus, checkup

SUBJECTS = ("service", "container", "sls")
NOTHING, HELD = "(no remedy)", "(held)"


def collected(opts, instance, timeout, processes):
    """
    Return by engine ``remedies``, a row each, ``faults``, and ``unread``: why the tenant's processes are not told, if so.

    ``processes``: whether the tenant is asked for them.
    """
    answers = bus.ask(opts, "remedies", instance, min(timeout, checkup.ANSWER_S), {})
    return {name: _of_engine(opts, name, answer, processes) for name, answer in answers.items()}


def _of_engine(opts, name, answer, processes):
    if "error" in answer:
        return {"error": answer["error"]}
    rows, faults = answer["rows"], answer["facts"]["faults"]
    found, unread = {}, None
    if processes:
        try:
            found = _covered(opts, name, rows)
        except Exception as err:  # noqa: BLE001 - The catalogue is told also where the tenant is not read.
            unread = str(err) or type(err).__name__
    told = [_row(one, found.get(one["remedy"])) for one in rows]
    told += [
        {"remedy": kind, "on": "", "heals": detail, **_taken(one)}
        for kind, detail, one in found.get(None, ())
    ]
    return {"remedies": told, "faults": faults, "unread": unread}


def _row(entry, taken):
    on = "; ".join(f"{kind}: {', '.join(values)}" for kind, values in entry["on"].items())
    families = (entry["settings"].get("os_family") or {}).values()
    subjects = [
        f"{key} {one[key]}"
        for one in (entry["settings"], *families)
        for key in SUBJECTS
        if one.get(key)
    ]
    heals = ", ".join(dict.fromkeys(subjects)) or "the unit that Dynatrace names"
    held = "; reported only" if entry["policy"].get("dry_run") else ""
    fault = f"; nothing: {entry['fault']}" if entry["fault"] else ""
    return {"remedy": entry["remedy"], "on": on, "heals": heals + held + fault, **_taken(taken)}


def _taken(taken):
    return {"processes": taken.count if taken else None, "such_as": taken.names if taken else []}


def _covered(opts, name, rows):
    """
    Return what each remedy takes by its name, and under None what none takes or may take: kind, why, processes.
    """
    engine = checkup.loaded(opts)
    options = bus.configured(opts).get(name)
    if engine is None or options is None:
        raise CommandExecutionError("this master does not find the engine's code or configuration")
    client = engine["wiring"].client_for(engine["configuration"].load(options))
    if client is None:
        raise CommandExecutionError(
            "the engine has neither `api_token` nor `oauth`: it cannot read the tenant's processes"
        )
    catalogue = engine["remedies"].Catalogue(
        engine["remedies"].Remedy(
            row["remedy"],
            {kind: tuple(values) for kind, values in row["on"].items()},
            row["policy"],
            row["settings"],
            row["fault"] or "",
        )
        for row in rows
    )
    processes = client.all_of("PROCESS_GROUP_INSTANCE")
    found = engine["coverage"].covered(catalogue, processes.values(), client.all_of("HOST"))
    others = [(HELD, why, one) for why, one in found.held.items()]
    nothing = [(NOTHING, "nothing, it is announced", found.nothing)]
    return {**found.taken, None: [*others, *nothing]}
