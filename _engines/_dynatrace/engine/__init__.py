"""
The engine as a whole: wiring, the reconciler, the commands of the runner, health.

It may import all other rooms, and none of them imports it.
"""
