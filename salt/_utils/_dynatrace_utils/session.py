"""
Opens HTTP connections whose answers must be complete by a time, however steadily a server trickles.

A read timeout bounds the wait for the next byte only. A server that sends one every half minute
would hold a state run, and behind it all others of this minion, for weeks. The engine does the same
as this; what runs on minions cannot share its modules.
"""

import os
import time

import requests
import requests.adapters
from salt.exceptions import CommandExecutionError

from . import deadline
from .dunders import __salt__


def to_tenant(seconds):
    """
    Return a session with the tenant, by the configured proxy and authority, for one request.

    ``ends`` is when its answer must be complete, by the monotonic clock;
    what fails after that, fails for the time. Raises when the file of the authority is missing.
    """
    session = requests.Session()
    # The environment's .netrc would replace the token, and its proxies are not this tenant's.
    session.trust_env = False
    proxy = __salt__["config.get"]("dynatrace:proxy", None)
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    bundle = __salt__["config.get"]("dynatrace:ca_bundle", None)
    if bundle and not os.path.isfile(bundle):
        raise CommandExecutionError(f"dynatrace:ca_bundle: there is no file {bundle}")
    session.verify = bundle or True
    session.ends = ends = time.monotonic() + seconds
    answers = deadline.answers(lambda: ends - time.monotonic())
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(answers))
    return session


class _Adapter(requests.adapters.HTTPAdapter):
    """
    The transport of a session whose answers keep a limit, directly and through a proxy.
    """

    def __init__(self, answers):
        super().__init__()
        self._answers = answers
        _limit(self.poolmanager, answers)

    def proxy_manager_for(self, proxy, **kwargs):
        is_new = proxy not in self.proxy_manager
        found = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            _limit(found, self._answers)
        return found


def _limit(manager, answers):
    """
    Let a manager make connections whose answers keep the limit; those by SOCKS have classes of their own.
    """

    def limited(pool):
        kind = pool.ConnectionCls
        connection = type(kind.__name__, (kind,), {"response_class": staticmethod(answers)})
        return type(pool.__name__, (pool,), {"ConnectionCls": connection})

    manager.pool_classes_by_scheme = {
        scheme: limited(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }
