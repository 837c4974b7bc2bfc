"""
The entities of the tenant by id: read many at once beside the loop, and remembered for a while.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..api.client import Client
from ..core.errors import ApiError, BadRequest, NotFound, UnexpectedResponse
from ..core.evidence import PROCESS, concerned, others, wide
from ..core.problem import EntityDetail, Problem, entity_type
from ..core.unhealable import is_os_service

#: A process moves to another host only by being another process; names and tags of hosts change slowly.
KNOWN_S = 600.0
#: What the tenant does not know it may know in a minute.
ABSENT_S = 20.0
#: What could not be read is not asked for again by the next problem of the same group.
FAILED_S = 5.0
REMEMBERED = 40_000
#: As many as there are readings side by side.
HOST_READERS = 8
_HOSTS = ("from.isProcessOf", "from.runsOnHost", "from.runsOn")


class Entities:
    """
    Reads entities; may be used from several threads. Without a client none is known. ``with_hosts``: hosts and disks that
    problems name are read ahead too.
    """

    def __init__(
        self, client: Client | None, now: Callable[[], float], with_hosts: bool = False
    ) -> None:
        self._client = client
        self._types = ("HOST", "DISK") if with_hosts else ()
        self._now = now
        self._lock = threading.Lock()
        #: Whether the tenant takes no selector by relationships.
        self._refused = False
        self._pool = ThreadPoolExecutor(HOST_READERS, thread_name_prefix="hosts")
        #: By id: until when it counts, and the entity, None for an unknown one, or why it could not be read.
        self._known: dict[str, tuple[float, EntityDetail | ApiError | None]] = {}

    def __call__(self, entity_id: str) -> EntityDetail | None:
        """
        Return an entity, or None when the tenant does not know it; raises ApiError when the tenant cannot be asked.
        """
        if self._client is None:
            return None
        found = self._known.get(entity_id)
        if found is None or found[0] <= self._now():
            self._read([entity_id])
            found = self._known[entity_id]
        if isinstance(found[1], ApiError):
            raise found[1]
        return found[1]

    def prefetch(self, problems: Iterable[Problem]) -> None:
        """
        Read the processes that problems name, and then the hosts that these run on; errors are raised when asked for.

        Needs a client.
        """
        shown = [problem for problem in problems if problem.is_open]
        named = {one for problem in shown for one in _named(problem, self._types)}
        processes = [one for one in self._unknown(named) if entity_type(one) == PROCESS]
        hosts = self._pool.submit(self._read_hosts_of, processes)
        self._read_unknown(named)
        hosts.result()
        details = [found[1] for one in named if (found := self._known.get(one))]
        self._read_unknown({host for one in details for host in _hosts(one)})

    def close(self) -> None:
        """
        End its threads; only tests need it.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _read_unknown(self, wanted: Collection[str]) -> None:
        for _, same in itertools.groupby(self._unknown(wanted), entity_type):
            self._read(list(same))

    def _unknown(self, wanted: Iterable[str]) -> list[str]:
        now = self._now()
        return sorted(one for one in wanted if self._known.get(one, (0.0, None))[0] <= now)

    def _read_hosts_of(self, processes: Sequence[str]) -> None:
        # Beside the reading of the processes; what it does not bring is read by the ids that come with these.
        if not processes or self._refused:
            return
        assert self._client is not None
        try:
            found = self._client.hosts_of(processes)
            self._remember(found, found)
        except ApiError as err:
            self._refused = isinstance(err, BadRequest)

    def _read(self, ids: Sequence[str]) -> None:
        # Entities of one type.
        found: dict[str, EntityDetail | ApiError | None]
        try:
            found = {**self._ask(ids)}
        except UnexpectedResponse as err:
            if len(ids) > 1:
                # One of them may be at fault.
                for one in ids:
                    self._read([one])
                return
            found = {ids[0]: err}
        except ApiError as err:
            found = dict.fromkeys(ids, err)
        self._remember(ids, found)

    def _remember(
        self, ids: Iterable[str], found: Mapping[str, EntityDetail | ApiError | None]
    ) -> None:
        now = self._now()
        with self._lock:
            for one in ids:
                detail = found.get(one)
                lasts = KNOWN_S if isinstance(detail, EntityDetail) else ABSENT_S
                lasts = FAILED_S if isinstance(detail, ApiError) else lasts
                self._known.pop(one, None)
                self._known[one] = (now + lasts, detail)
            while len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]

    def _ask(self, ids: Sequence[str]) -> dict[str, EntityDetail]:
        assert self._client is not None
        if len(ids) > 1:
            return self._client.entities(ids)
        try:
            return {ids[0]: self._client.entity(ids[0])}
        except NotFound:
            return {}


def _named(problem: Problem, types: Collection[str]) -> list[str]:
    # What matching reads whatever the minions are called, and what of these types is named: hosts are read with those of the
    # processes, but for those that the problem itself tells.
    wanted = (PROCESS, *types)
    named = [subject for subject, _ in concerned(problem) if subject.type in wanted]
    single = [one for one in others(problem) if is_os_service(one) or one.type in types]
    told = problem.hosts if problem.processes else ()
    return [*told, *(subject.id for subject in (*named, *wide(problem), *single))]


def _hosts(detail: EntityDetail | ApiError | None) -> Iterable[str]:
    if isinstance(detail, EntityDetail):
        for relation in _HOSTS:
            yield from (
                one for one in detail.relations.get(relation, ()) if one.startswith("HOST-")
            )
