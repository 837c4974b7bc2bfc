"""
Points in time as the API takes them: milliseconds, ISO 8601, and relative ones.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone

from tests.tenant.errors import violated

_RELATIVE = re.compile(r"now(?:-(\d{1,6})([mhdwMy]))?(?:/([mhdwMy]))?")
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def now_ms() -> int:
    """
    Give the time in UTC milliseconds.
    """
    return int(time.time() * 1000)


def milliseconds(moment: float | None) -> int:
    """
    Give UTC milliseconds for a moment in seconds or milliseconds, told apart by size; None is now.
    """
    if moment is None:
        return now_ms()
    return int(moment if moment >= 1e11 else moment * 1000)


def parse_moment(text: str, now: int, path: str) -> int:
    """
    Read `from` or `to`; anything else than the documented formats is a 400.
    """
    relative = _RELATIVE.fullmatch(text)
    try:
        if relative:
            amount, unit, align = relative.groups()
            moment = datetime.fromtimestamp(now / 1000, timezone.utc)
            return _to_ms(_aligned(_back(moment, int(amount or 0), unit), align))
        if re.fullmatch(r"\d{1,15}", text):
            return int(text)
        if _ISO.fullmatch(text):
            return _iso(text)
    except (ValueError, OverflowError) as err:
        raise violated(path, f"'{text}' is not a valid timeframe") from err
    raise violated(path, f"'{text}' is not a valid timeframe")


def _to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _iso(text: str) -> int:
    # Python 3.10 reads neither "Z" nor fractions of one or two digits.
    text = re.sub(r"\.(\d{1,6})", lambda found: "." + found.group(1).ljust(6, "0"), text)
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return _to_ms(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))


def _back(moment: datetime, amount: int, unit: str | None) -> datetime:
    if unit is None:
        return moment
    if unit in _SECONDS:
        return moment - timedelta(seconds=amount * _SECONDS[unit])
    months = moment.year * 12 + moment.month - 1 - amount * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, 28))


def _aligned(moment: datetime, unit: str | None) -> datetime:
    if unit is None:
        return moment
    moment = moment.replace(second=0, microsecond=0)
    if unit != "m":
        moment = moment.replace(minute=0)
    if unit in "dwMy":
        moment = moment.replace(hour=0)
    if unit == "w":
        moment -= timedelta(days=moment.weekday())
    if unit in "My":
        moment = moment.replace(day=1)
    return moment.replace(month=1) if unit == "y" else moment
