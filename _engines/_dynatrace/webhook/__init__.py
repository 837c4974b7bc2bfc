"""
How notifications come in: the listener, salt-api's hook, and the problem that a payload names.

It may import all rooms before it; it decides nothing about a problem.
"""
