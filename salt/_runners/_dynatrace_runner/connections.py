"""
Checks what an engine talks to: the tenant, by what the credentials may do there, and the engine's own webhook.
"""

import concurrent.futures
import http.client
import json
import ssl
import threading
import time

from . import webhook

WAIT_S = 10
WEBHOOK = ("address", "port", "path", "ssl_crt", "token", "username", "password")


def ask_all(configs, engine):
    """
    Begin all that takes time; return the futures with what each is about: check, instance, future.
    """
    asked = []
    for name, config in configs.items():
        for ability in engine["wiring"].abilities(config):
            check = f"tenant {ability.name}"
            asked.append((check, name, _begin(_allowed, engine["errors"], ability)))
        if config.has_webhook:
            asked.append(("webhook", name, _begin(_webhook, config)))
    return asked


def _begin(function, *arguments):
    """
    Return a future of what ``function`` returns; its thread ends with the process, even while it waits.
    """
    future = concurrent.futures.Future()

    def run():
        try:
            future.set_result(function(*arguments))
        except Exception as err:  # noqa: BLE001 - It is told where the future is asked.
            future.set_exception(err)

    threading.Thread(target=run, daemon=True, name="check").start()
    return future


def collect(found, asked, until):
    """
    Add a row for each answer that comes in time, and for each that does not.
    """
    for check, name, future in asked:
        try:
            result, what, fix = future.result(max(until - time.monotonic(), 0.1))
        except concurrent.futures.TimeoutError:
            result, what, fix = "fail", "no answer in time", "see docs/how-to/troubleshoot.md"
        except Exception as err:  # noqa: BLE001 - A check that breaks must not hide the others.
            result, what = "fail", f"this could not be checked: {type(err).__name__}"
            fix = "run it with -l debug, and report it"
        found.add(result, check, what, fix, name)


def _allowed(errors, ability):
    """
    Return result, detail and fix of something that the credentials may do or not.
    """
    try:
        ability.ask()
    except errors.RateLimited as err:
        return "warn", str(err), "check again in a minute"
    except errors.ApiError as err:
        forbidden = getattr(err, "refusal", None) is errors.Refusal.FORBIDDEN
        if not ability.wanted:
            known = "not allowed" if forbidden else f"not known ({err})"
            return "ok", f"{known}; {ability.without}", ""
        if forbidden and ability.without:
            return "warn", f"{err}; {ability.without}", "give that permission, or leave it so"
        if isinstance(err, errors.AuthError):
            return "fail", str(err), "see docs/how-to/log-in-to-dynatrace.md"
        fix = "see `environment_url`, `proxy` and `ca_bundle`, and the network"
        return "fail", str(err), fix
    return "ok", "allowed", ""


def _webhook(config):
    given = {key: config.get(f"webhook.{key}") for key in WEBHOOK}
    place, port = webhook.url(given), given["port"]
    try:
        status, body = webhook.request(given, "GET", "/healthz", WAIT_S, any_certificate=True)
        facts = json.loads(body)
        allowed, _ = webhook.request(given, "GET", "/metrics", WAIT_S, any_certificate=True)
    except (ValueError, http.client.HTTPException, ssl.SSLError):
        what = f"{place} is answered by something else than the engine"
        fix = f"ss -ltnp | grep {port} shows which program; set another `webhook:port`"
        return "fail", what, fix
    except OSError as err:
        what = f"{place} does not answer: {type(err).__name__}"
        return "fail", what, f"see whether the engine runs; ss -ltnp | grep {port}"
    if allowed != 200:
        what = f"{place} answers, and refuses the configured credentials ({allowed})"
        return "fail", what, "restart the master; see which program has the port"
    if status != 200:
        bad = [key for key in ("api", "ledger", "bus") if facts.get(key) != "ok"]
        what = f"{place} answers, and says that it is not healthy: {', '.join(bad) or 'late polls'}"
        return "warn", what, "see docs/reference/metrics.md, Health"
    local = given["address"] in ("127.0.0.1", "::1")
    reached = " It is reached from this machine only." if local else ""
    return "ok", f"{place} answers, and takes the configured credentials.{reached}", ""
