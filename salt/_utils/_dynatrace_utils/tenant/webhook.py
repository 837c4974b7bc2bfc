"""
Brings the webhook of the tenant to what is wanted: an alerting profile and a notification for it.

``dynatrace:webhook_token`` goes into the notification as a secret header, and is shown nowhere. The
tenant validates what is about to be written before anything is; with ``test`` that is all that is sent.
"""

import functools

from salt.exceptions import CommandExecutionError

from . import access
from . import api as tenant_api
from . import objects as tenant_objects
from . import options as tenant_options
from . import values as tenant_values

PROFILE = "builtin:alerting.profile"
NOTIFICATION = "builtin:problem.notifications"
# Shown for a profile that is still to be made.
NEW_PROFILE = "(the new alerting profile)"
SITE_LOCAL = (
    "Dynatrace does not call addresses of a private network. Either give `url` an address that it "
    "reaches: a public name in front of the engine's listener, or on Dynatrace Managed a cluster "
    "that may call private addresses. Or leave the webhook out: the engine polls, and needs no way "
    "in; the webhook only saves up to one poll_interval"
)


def present(name, test, given):
    """
    Make sure that an alerting profile and a notification tell the engine of problems.
    """
    options = tenant_options.checked("webhook", name, given)
    secret = access.listener_token()
    about = {"kind": "webhook", "label": name}
    profile = tenant_objects.find(PROFILE, "name", options["profile"])
    wanted = tenant_values.profile(options)
    planned_profile = tenant_objects.plan(
        profile, wanted if profile else {**wanted, "eventFilters": []}
    )
    found = tenant_objects.find(NOTIFICATION, "displayName", name)
    profile_id = profile["objectId"] if profile else NEW_PROFILE
    planned = _planned_notification(found, options, profile_id, secret)
    plans = {
        f"alerting profile {options['profile']}": planned_profile,
        f"notification {name}": planned,
    }
    changes = {called: one["changes"] for called, one in plans.items() if one["changes"]}
    if planned_profile["changes"]:
        tenant_objects.validate(
            PROFILE, tenant_objects.ENVIRONMENT, profile, planned_profile["value"]
        )
    if planned["changes"]:
        _validate_notification(found, planned["value"], profile)
    if not changes:
        return tenant_objects.told(True, f"The webhook {name} is set as wanted.")
    if test:
        return tenant_objects.told(None, f"The webhook {name} would be set.", changes)
    _write_webhook(about, (profile, planned_profile), (found, planned), secret)
    return tenant_objects.told(True, f"The webhook {name} is set.", changes)


def absent(name, test):
    """
    Take back what ``present`` has made or changed under this name.
    """
    about = {"kind": "webhook", "label": name}
    done = tenant_objects.take_back(about, NOTIFICATION, test=test)
    used = _profiles_of_others(done["ids"])
    also = tenant_objects.take_back(about, PROFILE, keep=used, test=test)
    both = {
        "changes": {**done["changes"], **also["changes"]},
        "notes": [*done["notes"], *also["notes"]],
    }
    look = functools.partial(tenant_objects.find, NOTIFICATION, "displayName", name)
    return tenant_objects.taken_back(f"webhook {name}", both, test, look)


def _planned_notification(found, options, profile_id, secret):
    """
    Return the plan of the notification; a secret that may be another one is a change too.
    """
    if found and found["value"].get("type") != "WEBHOOK":
        raise CommandExecutionError(
            f"The notification {options['name']} is there, and is of the type "
            f"{found['value'].get('type')}: choose another `name`, or delete it in Dynatrace. "
            "Nothing was changed."
        )
    now = (found["value"].get("webHookNotification") or {}) if found else {}
    wanted = tenant_values.notification(options, profile_id, secret, now.get("headers") or [])
    planned = tenant_objects.plan(found, wanted)
    if found and not tenant_objects.has_secret(found, secret):
        with_mark = tenant_values.with_changed_secret(planned["value"])
        planned["changes"] = tenant_values.difference(found["value"], with_mark)
    return planned


def _validate_notification(found, value, profile):
    """
    Let the tenant validate it; for a profile that is still to be made, any profile stands in.
    """
    if profile is None:
        others = tenant_api.objects(PROFILE, [tenant_objects.ENVIRONMENT])
        if not others:
            return
        value = {**value, "alertingProfile": others[0]["objectId"]}
    _explained(tenant_objects.validate, NOTIFICATION, tenant_objects.ENVIRONMENT, found, value)


def _explained(function, *arguments, **more):
    try:
        return function(*arguments, **more)
    except CommandExecutionError as err:
        if "site-local" in str(err).lower():
            raise CommandExecutionError(f"{err}. {SITE_LOCAL}. Nothing was changed.") from None
        raise


def _write_webhook(about, profiles, notifications, secret):
    (profile, planned_profile), (found, planned) = profiles, notifications
    profile_id = profile["objectId"] if profile else None
    if planned_profile["changes"]:
        value = planned_profile["value"]
        profile_id = tenant_objects.write(
            about, PROFILE, tenant_objects.ENVIRONMENT, profile, value
        )
    if not planned["changes"]:
        return
    value = {**planned["value"], "alertingProfile": profile_id}
    try:
        _explained(tenant_objects.validate, NOTIFICATION, tenant_objects.ENVIRONMENT, found, value)
    except CommandExecutionError:
        if profile is None:
            # It was made for this notification alone.
            tenant_objects.take_back(about, PROFILE)
        raise
    try:
        tenant_objects.write(about, NOTIFICATION, tenant_objects.ENVIRONMENT, found, value, secret)
    except CommandExecutionError as err:
        done = "set already" if planned_profile["changes"] else "as wanted"
        raise CommandExecutionError(f"{err}. The alerting profile is {done}.") from None


def _profiles_of_others(without):
    notifications = tenant_api.objects(NOTIFICATION, [tenant_objects.ENVIRONMENT])
    return [
        one["value"].get("alertingProfile")
        for one in notifications
        if one["objectId"] not in without
    ]
