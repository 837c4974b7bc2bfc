"""
The engine's start: opens the ledger, makes the tenant's client, and tells that the engine runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ..api.client import Client
from ..api.credentials import Credentials, TokenCredentials
from ..api.oauth import OAuthClient, OAuthCredentials, token_url
from ..api.rate_limiter import RateLimiter
from ..api.secret import Secret, Source
from ..api.sources import Say, unheard
from ..api.transport import Observe
from ..config.config import Config
from ..core import errors
from ..core.notification import Notification
from ..core.remedies import Catalogue
from ..master.event import TEST_TAG
from ..store.ledger import Ledger
from .health import VERSION

log = logging.getLogger(__name__)


def open_ledger(instance: str, path: Path) -> Ledger:
    """
    Open the ledger; wait while an earlier process of the same engine has it or the disk is full.

    Raises LedgerInUse if another engine has it, LedgerNewer if a newer version wrote it.
    """
    logged = False
    while True:
        try:
            ledger = Ledger(path, instance)
        except errors.LedgerNewer:
            raise
        except errors.LedgerError as err:
            if isinstance(err, errors.LedgerInUse) and err.owner not in ("", instance):
                raise
            if not logged:
                log.warning("%s: it waits for the ledger: %s", instance, err)
            logged = True
            time.sleep(1)
        else:
            break
    if ledger.database.moved_aside:
        log.error(
            "%s: the ledger %s; it is kept as %s, and the engine starts with an empty one: a pause is over, and earlier "
            "attempts are known from the job cache only",
            instance,
            ledger.database.moved_why,
            ledger.database.moved_aside,
        )
    return ledger


def client_for(
    config: Config,
    secrets: Mapping[str, Source] | None = None,
    say: Say = unheard,
    observe: Observe = lambda *_: None,
) -> Client | None:
    """
    Return access to the tenant as it is configured; None without credentials: nothing is asked of it then.

    ``secrets`` read the values of options again where they are kept. ``say`` hears what of the tenant is done without, and
    ``observe`` how long each request took.
    """
    if not config.has_login:
        return None
    return Client(
        config.get("environment_url"),
        "",
        config.get("ca_bundle"),
        config.get("proxy"),
        config.get("problem_selector"),
        RateLimiter(config.get("calls_per_minute")),
        credentials=credentials_for(config, secrets),
        source=config.get("source"),
        say=say,
        observe=observe,
    )


def credentials_for(config: Config, secrets: Mapping[str, Source] | None = None) -> Credentials:
    """
    Return the credentials of a configuration that has some.
    """
    secrets = secrets or {}
    url, proxy = config.get("environment_url"), config.get("proxy")
    if config.get("api_token"):
        own = Secret(config.get("api_token"), secrets.get("api_token"))
        return TokenCredentials(url, own, proxy)
    client = OAuthClient(
        config.get("oauth.client_id"),
        Secret(config.get("oauth.client_secret"), secrets.get("oauth.client_secret")),
        config.get("oauth.token_url") or token_url(url),
        config.get("oauth.scope"),
        config.get("oauth.resource"),
    )
    return OAuthCredentials(url, client, config.get("ca_bundle"), proxy)


def heard(instance: str, text: str, without: bool) -> None:
    """
    Log what the client has to say.
    """
    log.log(logging.WARNING if without else logging.INFO, "%s: %s", instance, text)


def announce(instance: str, config: Config, ledger: Ledger) -> None:
    """
    Announce the start on the bus and in the log, without any secret.
    """
    ways = []
    if config.has_login:
        interval = config.get("poll_interval")
        ways.append(f"polls every {interval:g} s" if interval else "never polls")
    if config.has_webhook:
        scheme = "https" if config.get("webhook.ssl_crt") else "http"
        ways.append(
            f"listens on {scheme}://{config.get('webhook.address')}:{config.get('webhook.port')}"
            f"{config.get('webhook.path')}"
        )
    if config.has_metrics:
        place = f"http://{config.get('metrics.address')}:{config.get('metrics.port')}/metrics"
        ways.append(f"serves metrics on {place}")
    log.info(
        "%s: version %s started%s: %s",
        instance,
        VERSION,
        " in dry run" if config.get("policy.dry_run") else "",
        " and ".join(ways),
    )
    data = {"what": "started", "instance": instance, "version": VERSION}
    try:
        ledger.outbox.add("engine", "dynatrace/engine/started", data, time.time())
    except errors.LedgerError as err:  # The reconciler waits until it works; nobody waits for this.
        log.warning("%s: its start is not announced: %s", instance, err)


def note_catalogue(instance: str, ledger: Ledger, catalogue: Catalogue, now: float) -> None:
    """
    Log the faults of the catalogue of remedies, once, and have open problems decided again where it is another than before.
    """
    if catalogue.faults:
        log.error(
            "%s: entries of the catalogue of remedies have faults and heal nothing, all others work:\n%s\n"
            "Correct them and restart the salt-master.",
            instance,
            "\n".join(f"  - {fault}" for fault in catalogue.faults),
        )
    try:
        if (ledger.settings.get("catalogue") or "") != catalogue.digest:
            with ledger.transaction():
                ledger.settings.put("catalogue", catalogue.digest)
                ledger.episodes.read_again(now)
    except errors.LedgerError as err:  # The reconciler waits until it works.
        log.warning("%s: open problems are not decided again: %s", instance, err)


def announce_test(
    instance: str, ledger: Ledger, look_now: Callable[[], None], _notice: Notification
) -> None:
    """
    Announce that a test notification arrived; raises LedgerError.
    """
    log.info("%s: a test notification arrived", instance)
    data = {"what": "test", "instance": instance}
    ledger.outbox.add("test", TEST_TAG, data, time.time())
    look_now()
