"""
Reads what a state was given, from the names in its function.
"""

# What Salt hands to a state that takes any argument.
SALTS_OWN = ("test", "saltenv")


def given(names):
    """
    Return the arguments that were given, by ``locals()`` of a state with ``name`` and ``**unknown``.

    What is unknown is among them, so that who checks them refuses it: Salt only warns of a word that is
    spelled wrong, and then does without it.
    """
    every = {**names, **names["unknown"]}
    return {
        key: value
        for key, value in every.items()
        if value is not None
        and key not in ("name", "unknown", *SALTS_OWN)
        and not key.startswith("__")
    }
