"""
What is known of problems, as plain facts for whoever asks: one as a timeline, many of a span, and why each is held.

It reads the ledger, and writes and decides nothing. How facts look is for the room ``pages`` and Salt's outputter.
"""
