"""
How notifications come in: the listener, and salt-api's hook.

It may import all rooms before it; it decides nothing about a problem.
"""
