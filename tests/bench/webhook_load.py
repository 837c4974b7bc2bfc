"""
The sender of the webhook benchmark, a process of its own: keep-alive connections by asyncio, nothing above them.

`python -m tests.bench.webhook_load full <port> <connections> <seconds> <file>` sends the lines of the file over and
over, as fast as answers come; `paced <port> <connections> <rate> <file>` sends each once, at so many a second. Either
prints one JSON object; `sent` are the times at which the requests of `paced` were due.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

TOKEN = "benchmark-token"
#: Not measured: connections open and caches fill.
WARM_UP_S = 0.5


def request(body: bytes, path: str = "/dynatrace") -> bytes:
    """
    Return a whole request as Dynatrace sends it, as far as that is documented.
    """
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Sender(asyncio.Protocol):
    """
    One connection: sends the next request when the last is answered, until there is none.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._read = b""
        self._sent = 0.0
        self.transport: asyncio.Transport | None = None
        self.idle = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, payload: bytes) -> None:
        assert self.transport is not None
        self.idle, self._sent = False, time.perf_counter()
        self.transport.write(payload)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, rest = self._read.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(rest) < length:
            return
        self._read = rest[length:]
        self.idle = True
        self._load.answered(self, int(head[9:12]), time.perf_counter() - self._sent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost(self)


class Load:
    """
    Several senders, and what their answers were.
    """

    def __init__(self, payloads: Iterator[bytes], paced: bool) -> None:
        self._payloads = payloads
        self._paced = paced
        self._waiting: collections.deque[bytes] = collections.deque()
        self._senders: list[Sender] = []
        self.began = time.perf_counter()
        self.times: list[float] = []
        self.sent: list[float] = []
        self.statuses: collections.Counter[str] = collections.Counter()

    async def connect(self, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, sender = await loop.create_connection(lambda: Sender(self), "127.0.0.1", port)
            self._senders.append(sender)

    def next_for(self, sender: Sender) -> None:
        if self._paced:
            payload = self._waiting.popleft() if self._waiting else None
        else:
            payload = next(self._payloads, None)
        if payload is not None:
            sender.send(payload)

    def answered(self, sender: Sender, status: int, took: float) -> None:
        self.statuses[str(status)] += 1
        if self._paced or time.perf_counter() - self.began > WARM_UP_S:
            self.times.append(took)
        self.next_for(sender)

    def lost(self, sender: Sender) -> None:
        self.statuses["lost"] += not sender.idle

    async def full(self, seconds: float) -> None:
        """
        Send without a pause.
        """
        self.began = time.perf_counter()
        for sender in self._senders:
            self.next_for(sender)
        await asyncio.sleep(WARM_UP_S + seconds)

    async def paced(self, rate: float) -> None:
        """
        Send all, evenly spaced; one that finds no free connection waits for one, and that counts.
        """
        self.began = time.perf_counter()
        for number, payload in enumerate(self._payloads):
            await asyncio.sleep(max(self.began + number / rate - time.perf_counter(), 0))
            self._waiting.append(payload)
            self.sent.append(time.time())
            free = next((sender for sender in self._senders if sender.idle), None)
            if free is not None:
                self.next_for(free)
        while self._waiting or not all(sender.idle for sender in self._senders):
            await asyncio.sleep(0.005)


def percentile(values: Iterable[float], share: float) -> float:
    """
    Return the value that a share of the values does not exceed; 0 without any.
    """
    ranked = sorted(values)
    return ranked[min(int(len(ranked) * share), len(ranked) - 1)] if ranked else 0.0


async def _main(mode: str, port: str, connections: str, amount: str, file: str) -> None:
    payloads = [request(line) for line in Path(file).read_bytes().splitlines()]
    paced = mode == "paced"
    load = Load(iter(payloads) if paced else itertools.cycle(payloads), paced)
    await load.connect(int(port), int(connections))
    await (load.paced(float(amount)) if paced else load.full(float(amount)))
    seconds = time.perf_counter() - load.began if paced else float(amount)
    result = {
        "rate": len(load.times) / seconds,
        "p50": percentile(load.times, 0.5) * 1000,
        "p99": percentile(load.times, 0.99) * 1000,
        "statuses": load.statuses,
        "sent": load.sent,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
