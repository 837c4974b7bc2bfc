"""
A service of this minion: what it is found to be, and how its service manager brings it back.
Imports only what all rooms share.
"""
