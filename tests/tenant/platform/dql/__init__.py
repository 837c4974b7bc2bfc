"""
A small reader of DQL: the commands and functions that clients of this tenant need, and no others.

What it does not know is refused in the shape of Grail's own errors, and noted as a rule that the
client broke. Commands, functions, the three values of a condition and the positions of an error
follow Dynatrace documentation and captured errors; the texts but the captured ones are constructed.
"""
