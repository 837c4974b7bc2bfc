"""
Tells what the states ``dynatrace_tenant`` would do, and what the tenant knows; it changes nothing.

What those states do is private: who may call all that begins with ``dynatrace`` can set nothing in the
tenant.
"""

from _dynatrace_utils.tenant import alerting, chosen, options, record
from _dynatrace_utils.tenant import api as tenant_api
from _dynatrace_utils.tenant import planned_change as tenant_change
from salt.exceptions import CommandExecutionError

# They go into one URL.
MOST_HOSTS = 200


def asked(kind):
    """
    Return what pillar or configuration ask for of a kind: ``{"problem": None, "entries": […]}``.

    ``kind`` is webhook, workflow, process_alerting, os_services or maintenance_windows; an entry is the options
    of one of them, with its ``name``. A problem is a text, and there are no entries then. It never
    raises. Where nothing is said of os_services, they are those of the catalogue ``dynatrace_remedies``.

    CLI Example:

    .. code-block:: bash

        salt master01 dynatrace_tenant.asked process_alerting
    """
    return options.asked(kind)


def webhook(take_back=False):
    """
    Return what ``asked`` or ``to_take_back`` do of the webhook, and by which ``state`` it is done.

    ``state`` is webhook where the tenant has notifications, and else workflow, with the entries as a
    workflow has them; ``why`` says so, None where nothing is asked for. It never raises.

    CLI Example:

    .. code-block:: bash

        salt master01 dynatrace_tenant.webhook
    """
    return chosen.absent() if take_back else chosen.present()


def to_take_back(kind):
    """
    Return what an SLS has to take back: ``{"problem": None, "entries": [{"name": …}, …]}``.

    It is what pillar names, and what this minion has changed although pillar names it no more.

    CLI Example:

    .. code-block:: bash

        salt master01 dynatrace_tenant.to_take_back process_alerting
    """
    return record.to_take_back(kind)


def without_groups():
    """
    Return what of ``dynatrace:tenant:process_alerting`` matches no process group yet, by label.

    It is ``{"apache": <selector>}``, empty when each entry matches one.

    CLI Example:

    .. code-block:: bash

        salt master01 dynatrace_tenant.without_groups
    """
    return alerting.without_groups()


def known_hosts(hosts):
    """
    Return those of these host ids that the tenant knows.

    CLI Example:

    .. code-block:: bash

        salt master01 dynatrace_tenant.known_hosts '[HOST-5FD609AD6757BE7D]'
    """
    if not isinstance(hosts, list) or not 0 < len(hosts) <= MOST_HOSTS:
        raise CommandExecutionError(f"`hosts` is a list of 1 to {MOST_HOSTS} host ids")
    if not all(isinstance(one, str) and options.HOST.fullmatch(one) for one in hosts):
        raise CommandExecutionError("a host id looks like HOST-5FD609AD6757BE7D")
    quoted = ",".join(f'"{host}"' for host in hosts)
    found = tenant_api.entities(f'type("HOST"),entityId({quoted})', len(hosts))
    return [one.get("id") for one in found]


def planned_change(given):
    """
    Return what ``dynatrace.orch.planned_change`` does, from its pillar; for the master.

    It is ``{"problem": None, "name": …, "targets": […], "hosts": […], "minutes": …, …}``, or a
    problem and nothing else: it never raises, so that the SLS can make a failed state of it.

    CLI Example:

    .. code-block:: bash

        salt-run salt.cmd dynatrace_tenant.planned_change '{"targets": ["web01"]}'
    """
    return tenant_change.plan(given)
