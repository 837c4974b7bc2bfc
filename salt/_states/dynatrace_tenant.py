"""
States that set up the alerting of a Dynatrace environment.

They run on the master, or on any one minion that reaches the environment. Its URL and the tokens stand
in pillar or configuration (``dynatrace:environment_url``, ``dynatrace:settings_token``,
``dynatrace:webhook_token``), so that no argument and nothing that is returned holds a token.

Objects are found by name. What they make is marked as theirs in the environment, what they change
is remembered on the minion, and the ``absent`` of each deletes the first and puts back the second.
What a person has made, or has changed since, stays. ``test=True`` writes nothing: it reads, and
lets the environment validate what would be written.
"""

from salt.exceptions import CommandExecutionError

try:
    from _dynatrace_utils import arguments
    from _dynatrace_utils.tenant import alerting, maintenance, os_services, webhook, workflow

    LACKING = None
except ImportError as err:
    LACKING = f"{err.name}; run: salt '<minion>' saltutil.sync_all"


def webhook_present(
    name,
    url=None,
    profile=None,
    severities=None,
    tags=None,
    closed=None,
    merges=None,
    accept_any_certificate=None,
    enabled=None,
    **unknown,
):
    """
    Make sure that Dynatrace notifies the engine of problems.

    An alerting profile and a notification (custom integration) are set. Of a profile that is
    there only the severity rules are changed, of a notification also its other headers stay. A
    secret cannot be read back: the token is sent again when this minion has sent another one, or
    none, or when somebody has changed the notification since.

    name
        The display name of the notification.
    url
        Where Dynatrace reaches the engine's webhook.
    profile
        The name of the alerting profile; default: as ``name``.
    severities
        Which severities are notified, and after how many minutes: ``{AVAILABILITY: 0, …}``.
    tags
        Only problems of entities with one of these tags; default: all.
    closed, merges
        Whether closed problems (default: yes) and merged events (default: no) are notified too.
    accept_any_certificate
        Whether Dynatrace takes any certificate of the engine's listener; default: no.
    enabled
        Whether it notifies at all; default: yes.
    """
    names = locals()
    return _told(name, lambda test: webhook.present(name, test, arguments.given(names)))


def webhook_absent(name):
    """
    Make sure that nothing is left of what ``webhook_present`` has made or changed.

    name
        The display name of the notification.
    """
    return _told(name, lambda test: webhook.absent(name, test))


def workflow_present(
    name,
    url=None,
    credential=None,
    severities=None,
    tags=None,
    closed=None,
    maintenance=None,
    enabled=None,
    **unknown,
):
    """
    Make sure that a workflow of the platform tells the engine of problems.

    Three things are set: an entry of the credential vault with the token, the listener's host among
    those that functions may call, and a workflow that posts each problem to ``url``. It needs the
    platform's URL as ``dynatrace:environment_url``. What a person has added to the workflow stays.

    name
        The title of the workflow.
    url
        Where Dynatrace reaches the engine's webhook.
    credential
        The id of an entry of the credential vault that holds the token already; default: one is made.
    severities
        List of the severities that are told: ``[AVAILABILITY, …]``; default: all.
    tags
        Only problems of entities with one of these tags; default: all.
    closed
        Whether closed problems are told too; default: yes.
    maintenance
        Problems in a maintenance window: always (default), inside or outside, where the tenant knows it.
    enabled
        Whether the workflow is deployed; default: yes.
    """
    names = locals()
    return _told(name, lambda test: workflow.present(name, test, arguments.given(names)))


def workflow_absent(name):
    """
    Make sure that nothing is left of what ``workflow_present`` has made.

    name
        The title of the workflow.
    """
    return _told(name, lambda test: workflow.absent(name, test))


def process_alerting_present(
    name,
    technology=None,
    process_group=None,
    management_zone=None,
    minimum=None,
    max_groups=None,
    **unknown,
):
    """
    Make sure that a process of these groups that is gone is a problem to Dynatrace.

    name
        Any label; what is changed is remembered under it.
    technology, process_group, management_zone
        Which groups: of this technology (``APACHE_HTTPD``), with exactly this name, in this
        management zone. What is given must all be met; one must be given.
    minimum
        A problem only when fewer processes of the group run than this; default: when one is gone.
    max_groups
        More groups than this are an error, and nothing is changed; default: 20.
    """
    names = locals()
    return _told(name, lambda test: alerting.present(name, test, arguments.given(names)))


def process_alerting_absent(name):
    """
    Make sure that nothing is left of what ``process_alerting_present`` has made or changed.

    name
        The label.
    """
    return _told(name, lambda test: alerting.absent(name, test))


def os_services_present(
    name,
    units=None,
    remedy=None,
    scope=None,
    cycles=None,
    disabled=None,
    enabled=None,
    **unknown,
):
    """
    Make sure that an OS service of a remedy that is inactive or failed is a problem to Dynatrace.

    A policy ``Salt: <name>`` is set. Its events carry the name of the remedy as ``salt_remedy``, and
    that of the unit as ``dt.osservice.name``. A new policy goes before those of the site and behind
    those of these states; one that is there keeps its place.

    name
        The name of the remedy in the master's catalogue.
    units
        List of names and globs of systemd units; a policy can say ``x*``, ``*x``, ``*x*`` and ``x*y``.
    remedy
        What ``salt_remedy`` says; default: as ``name``.
    scope
        environment (default), or the id of a host group or host.
    cycles
        For how many cycles of 10 seconds a unit is down before it is a problem; default: 1.
    disabled
        Whether units that are disabled in systemd are problems too; default: no.
    enabled
        Whether the policy is on; default: yes.
    """
    names = locals()
    return _told(name, lambda test: os_services.present(name, test, arguments.given(names)))


def os_services_absent(name):
    """
    Make sure that nothing is left of what ``os_services_present`` has made or changed.

    name
        The name of the remedy.
    """
    return _told(name, lambda test: os_services.absent(name, test))


def maintenance_window_present(
    name,
    start=None,
    end=None,
    recurrence=None,
    day=None,
    first_day=None,
    last_day=None,
    time_zone=None,
    entities=None,
    tags=None,
    entity_type=None,
    whole_environment=None,
    rule=None,
    suppression=None,
    description=None,
    enabled=None,
    **unknown,
):
    """
    Make sure that there is a maintenance window.

    start, end
        ``'2026-11-25T22:00'`` for once, else ``'22:00'``, in quotes.
    recurrence
        once (default), daily, weekly or monthly.
    day
        Of a weekly window ``SUNDAY``, of a monthly one the day of the month.
    first_day, last_day
        Between which days it recurs: ``'2026-11-25'``.
    time_zone
        Default: UTC.
    entities, tags, entity_type
        What it covers: each of these entities (by id), and all entities with all of these tags,
        of this type.
    whole_environment
        Must be true if it covers everything.
    rule
        The id of a scheduling rule, for a weekly or monthly window in ``builtin:maintenance-windows``.
    suppression
        DETECT_PROBLEMS_AND_ALERT, DETECT_PROBLEMS_DONT_ALERT (default) or DONT_DETECT_PROBLEMS.
    """
    names = locals()
    return _told(name, lambda test: maintenance.present(name, test, arguments.given(names)))


def maintenance_window_absent(name):
    """
    Make sure that nothing is left of what ``maintenance_window_present`` has made or changed.
    """
    return _told(name, lambda test: maintenance.absent(name, test))


def planned_change_present(name, hosts=None, minutes=None, suppression=None, **unknown):
    """
    Make sure that a change that begins now is announced, by a maintenance window that ends itself.

    name
        The name of the window.
    hosts
        The ids of the hosts at Dynatrace.
    minutes
        After how many minutes it ends; default: 30.
    suppression
        Default: DONT_DETECT_PROBLEMS.
    """
    names = locals()
    return _told(name, lambda test: maintenance.announced(name, test, arguments.given(names)))


def planned_change_absent(name):
    """
    Make sure that the announcement of this name has ended.

    name
        The name of the window.
    """
    return _told(name, lambda test: maintenance.ended(name, test))


def _told(name, act):
    try:
        if LACKING:
            raise CommandExecutionError(f"This minion lacks {LACKING}")
        told = act(bool(__opts__["test"]))
    except (CommandExecutionError, OSError) as err:
        told = {"result": False, "comment": str(err), "changes": {}}
    return {"name": name, **told}
