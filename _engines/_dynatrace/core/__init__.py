"""
Values and pure rules: problems, matching, policy, records and their states, errors.

It does no input or output, and it imports no other room.
"""
