"""
Reads problems and their entities from the tenant in threads of their own, so that the reconciler waits for no answer.

A reading is about a few problems: one request for their details, and a few for the entities that these name. It returns
values and errors; what they mean is up to ``remediation.problem_reader``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from ..api.client import Client
from ..api.rate_limiter import Kind
from ..api.sources import Listing, OnPage
from ..core.errors import ApiError, NotFound, RateLimited, UnexpectedResponse
from ..core.problem import PROBLEM_ID, Problem
from .entities import Entities
from .notified import is_old_pid

log = logging.getLogger(__name__)

#: Readings of one kind at the same time; more only fills the tenant's request queue.
PARALLEL = 4

#: By problem id or name: the problem, or why it could not be read.
Found = Mapping[str, "Problem | ApiError"]
#: Takes what a reading brought, when it began, and what the present look has seen so far.
Take = Callable[[Any, float, Any], None]


@dataclass(eq=False)
class Reading:
    """
    One reading that is under way, since ``began``, and the names that it is about.
    """

    names: frozenset[str]
    began: float
    take: Take
    future: Future[Any]


class Readings:
    """
    The readings of one engine. All but the reading itself belongs to the reconciler's thread.

    ``on_end`` is called when one is done, or a page of the list is there. ``wait_s`` is how long ``done`` waits for those
    under way; the engine does not wait, since it has other things to do.
    """

    def __init__(
        self,
        name: str,
        client: Client,
        entities: Entities,
        on_end: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        wait_s: float = 0.0,
    ) -> None:
        self.wait_s = wait_s
        self._client = client
        self._entities = entities
        self._on_end = on_end
        self._clock = clock
        self._under_way: list[Reading] = []
        # The list has a thread that nothing else can keep.
        self._pool = ThreadPoolExecutor(2 * PARALLEL + 1, thread_name_prefix=f"{name}-reader")

    @property
    def size(self) -> int:
        """
        Of how many problems one request brings the details.
        """
        return self._client.batch

    @property
    def busy(self) -> frozenset[str]:
        return frozenset().union(*(one.names for one in self._under_way))

    def count(self, take: Take) -> int:
        return sum(one.take == take for one in self._under_way)

    def list_open(self, with_maintenance: bool, on_page: OnPage, take: Take) -> None:
        """
        Walk over the list of open problems, and over the ids of those that are under maintenance. ``on_page`` is told by the
        thread that walks what a page shows.
        """

        def told(page: Sequence[Problem]) -> None:
            on_page(page)
            self._on_end()

        def walk() -> Listing | ApiError:
            try:
                listing = self._client.list_open(on_page=told)
                if with_maintenance and listing.in_maintenance is None:
                    listing = replace(listing, in_maintenance=self._client.in_maintenance())
                return listing
            except ApiError as err:
                return err

        self._begin((), take, walk)

    def problems(self, keys: Iterable[str], kept: Mapping[str, Problem], take: Take) -> None:
        """
        Read problems by id; of those in ``kept``, which were read a moment ago, the entities alone.
        """
        keys = list(keys)

        def read() -> Found:
            wanted = [key for key in keys if key not in kept]
            return self._with_entities({**kept, **self._read(wanted, Kind.READING)})

        self._begin(keys, take, read)

    def named(self, names: Iterable[str], open_ids: Sequence[str] | None, take: Take) -> None:
        """
        Read problems by what notifications call them; ``open_ids``: of those that are open, if they were just listed.
        """
        names = list(names)

        def read() -> Found:
            ids = self._ids(names, open_ids)
            known = [one for one in ids.values() if isinstance(one, str)]
            read = self._read(list(dict.fromkeys(known)), Kind.NOTIFIED)
            found = {name: read[one] if isinstance(one, str) else one for name, one in ids.items()}
            return self._with_entities(found)

        self._begin(names, take, read)

    def done(self, first: Take) -> list[tuple[Take, Any, float]]:
        """
        Return what was read and was not returned before, with who takes it and when its reading began: all that ``first``
        takes, and one reading more; who waits gets all.
        """
        if self.wait_s and self._under_way:
            wait([one.future for one in self._under_way], self.wait_s)
        done = self._done()
        later = [] if self.wait_s else [one for one in done if one.take != first][1:]
        done = [one for one in done if one not in later]
        self._under_way = [one for one in self._under_way if one not in done]
        return [(one.take, self._result(one), one.began) for one in done]

    @property
    def has_done(self) -> bool:
        """
        Tell whether there is something for ``done`` to return.
        """
        return bool(self._done())

    def _done(self) -> list[Reading]:
        return [one for one in self._under_way if one.future.done()]

    def close(self) -> None:
        """
        End its threads, and with them their connections; only tests need it, the engine is ended without a shutdown step.
        """
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._entities.close()
        self._client.close()

    def _begin(self, names: Iterable[str], take: Take, read: Callable[[], Any]) -> None:
        began = self._clock()
        future = self._pool.submit(read)
        self._under_way.append(Reading(frozenset(names), began, take, future))
        future.add_done_callback(lambda _: self._on_end())

    def _result(self, reading: Reading) -> Any:
        try:
            return reading.future.result()
        except Exception as err:
            # A fault of the engine, which must not keep it from seeing the others.
            log.exception("a reading broke the engine")
            error = UnexpectedResponse(repr(err))
            return dict.fromkeys(reading.names, error) if reading.names else error

    def _with_entities(self, found: Found) -> Found:
        self._entities.prefetch(one for one in found.values() if isinstance(one, Problem))
        return found

    def _read(self, ids: Sequence[str], kind: Kind) -> dict[str, Problem | ApiError]:
        # By one request; what it does not bring is read by itself, which tells why.
        found: dict[str, Problem | ApiError] = {}
        if len(ids) > 1:
            before = self._client.batch
            try:
                found.update(self._client.problems(ids, kind))
            except (UnexpectedResponse, NotFound) as err:
                if self._client.batch < before:
                    log.info("details are read %d at a time: %s", self._client.batch, err)
            except ApiError as err:
                return dict.fromkeys(ids, err)
        limited: ApiError | None = None
        for one in (one for one in ids if one not in found):
            found[one] = read = limited or self._one(one, kind)
            limited = read if isinstance(read, RateLimited) else None
        return found

    def _one(self, problem_id: str, kind: Kind) -> Problem | ApiError:
        try:
            return self._client.problem(problem_id, kind)
        except ApiError as err:
            return err

    def _ids(
        self, names: Sequence[str], open_ids: Sequence[str] | None
    ) -> dict[str, str | ApiError]:
        try:
            if open_ids is None and any(map(is_old_pid, names)):
                listing = self._client.list_open(Kind.NOTIFIED)
                open_ids = [problem.problem_id or "" for problem in listing.problems]
        except ApiError as err:
            return dict.fromkeys(names, err)
        return {name: self._id_of(name, open_ids or ()) for name in names}

    def _id_of(self, name: str, open_ids: Sequence[str]) -> str | ApiError:
        found: str | None = name
        try:
            if is_old_pid(name):
                found = next((one for one in open_ids if one.startswith(f"{name}_")), None)
            elif not PROBLEM_ID.fullmatch(name):
                listed = self._client.find_by_display_id(name, Kind.NOTIFIED) if name else None
                found = listed.problem_id if listed is not None else None
        except ApiError as err:
            return err
        return found or NotFound(f"no problem is called {name[:40]!r}")
