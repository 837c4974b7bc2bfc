"""
The OneAgent of this minion: installed, configured and removed. Asks the environment by ``tenant``.
"""
