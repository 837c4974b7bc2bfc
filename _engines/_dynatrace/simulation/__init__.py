"""
What would be done about problems, by the functions that decide: in the runner's process, and on a ledger of its own.
"""
