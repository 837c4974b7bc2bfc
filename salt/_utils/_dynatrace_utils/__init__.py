"""
What states and execution modules of a minion share and no job can name.
The modules here serve every room below, and import none of them.
"""
