"""
The OneAgent of this minion: installed, configured and removed.
Imports ``tenant``, which it asks for the installer, and what all rooms share.
"""
