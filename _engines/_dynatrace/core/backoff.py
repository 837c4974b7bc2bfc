"""
How long to wait before something that failed is tried again.
"""

from __future__ import annotations


def backoff(first_s: float, tries: int, cap_s: float) -> float:
    """
    Return ``first_s`` seconds, doubled with each try before, and no more than ``cap_s``.
    """
    # However many tries there were: the power alone would be too large for a float after days of them.
    return min(first_s * 2.0 ** min(tries, 30), cap_s)
