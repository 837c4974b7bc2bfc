"""
A service of this minion: what it is found to be, and how its service manager brings it back. Imports nothing but this package's top.
"""
