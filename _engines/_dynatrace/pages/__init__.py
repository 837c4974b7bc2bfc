"""
HTML and SVG from plain facts: what the status page and the report are made of.

It knows no ledger, no network and no clock, and imports from ``core`` alone.
"""
