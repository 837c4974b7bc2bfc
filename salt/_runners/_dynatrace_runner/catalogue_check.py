"""
Checks the catalogue of remedies: its faults, technologies that Dynatrace does not know, services that no minion has, and
proofs that fail on a service that runs.
"""

import time
from collections.abc import Mapping

from . import catalogue, minions, technologies
from .report import RESTART, named

# What master.d/remedies.conf has: most shops lack some of it, which is no mistake.
SHIPPED = frozenset(
    (
        *("apache2", "nginx", "haproxy", "tomcat", "php-fpm", "postgresql", "mariadb", "mysql"),
        *("redis", "memcached", "rabbitmq", "docker", "sshd"),
    )
)
SERVICES, FAMILY = "service.get_all", "grains.get"
# What a remedy says of a service that runs and is not proved to serve; of one that is stopped it says other things.
DOUBTS = ("would be restarted", "would be reloaded", "it is not known whether it serves")
# For one remedy with test=True on one minion.
TRY_S = 15


def check(found, opts, engine):
    """
    Tell what is wrong with the catalogue; return it, or None where there is none.
    """
    given = opts.get(catalogue.KEY)
    if given is None or engine is None:
        return None
    read, faults = engine["catalogue"].validate(given)
    for fault in faults:
        found.add("fail", "catalogue", fault, f"correct it, {RESTART}")
    for name, remedy in read.remedies.items():
        for technology in remedy.on.get("technology", ()):
            _technology(found, name, technology)
    good = [name for name, remedy in read.remedies.items() if not remedy.fault]
    found.add("ok", "catalogue", f"{len(good)} remedies: {named(good) or 'none'}")
    return read


def check_minions(found, opts, read, asked, until):
    """
    Tell which services none of these minions has, and which proofs fail on one that runs. Nothing is changed there.
    """
    if not read or not asked or time.monotonic() > until:
        return
    wait = int(max(min((until - time.monotonic()) / 2, 10), 1))
    told = minions.call(opts, wait, asked, [SERVICES, FAMILY], [[], ["os_family"]])
    told = {name: one for name, one in told.items() if isinstance(one, Mapping)}
    lists = {
        name: one[SERVICES] for name, one in told.items() if isinstance(one.get(SERVICES), list)
    }
    having = {
        name: [one for one in lists if _service(remedy, told[one]) in lists[one]]
        for name, remedy in read.remedies.items()
        if not remedy.fault and _services(remedy)
    }
    absent = [name for name, there in having.items() if not there]
    for name in [one for one in absent if one not in SHIPPED] if lists else ():
        services = named(sorted(_services(read.remedies[name])))
        what = f"none of {len(lists)} asked minions has the service of {name}: {services}"
        found.add("warn", "catalogue", what, "correct `service`, or see whether it runs elsewhere")
    for name, there in having.items():
        if (
            there
            and time.monotonic() + TRY_S < until
            and not read.remedies[name].policy.get("dry_run")
        ):
            _proof(found, opts, name, there[0])


def _technology(found, name, technology):
    near = technologies.nearest(technology)
    if near is not None:
        hint = f"; did you mean {near}?" if near else ""
        what = f"{name}: Dynatrace is not known to have a technology {technology}{hint}"
        fix = "an event shows the names under `targets`; correct it, or leave it if yours shows this one"
        found.add("warn", "catalogue", what, fix)


def _services(remedy):
    return {one["service"] for one in remedy.variants if one.get("service")}


def _service(remedy, told):
    family = told.get(FAMILY)
    return remedy.settings_of(family if isinstance(family, str) else None).get("service")


def _proof(found, opts, name, minion):
    """
    Have the remedy tell what it would do on a minion; of what runs and serves it has nothing to do.
    """
    order = catalogue.order(opts, name)
    pillar = {"dynatrace_remedy": order}
    arguments, options = [catalogue.STATE], {"test": True, "queue": True, "pillar": pillar}
    told = minions.call(opts, TRY_S, [minion], "state.apply", arguments, kwarg=options).get(minion)
    for state in told.values() if isinstance(told, Mapping) else ():
        comment = str(state.get("comment")) if isinstance(state, Mapping) else ""
        if any(words in comment for words in DOUBTS):
            what = f"{name} runs on {minion}, and its remedy says of it: {comment[:300]}"
            found.add(
                "warn", "catalogue", what, "correct its `proof`, or see what is wrong with it there"
            )
