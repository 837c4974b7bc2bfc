"""
Reads what a state was given, from the names in its function, and tells what is unknown among it.
"""

import difflib

# What Salt hands to a state that takes any argument.
SALTS_OWN = ("test", "saltenv")


def given(names):
    """
    Return the arguments that were given, by ``locals()`` of a state with ``name`` and ``**unknown``.

    What is unknown is among them, so that the check refuses it: Salt only warns of a misspelled
    argument, and then ignores it.
    """
    every = {**names, **names["unknown"]}
    return {
        key: value
        for key, value in every.items()
        if value is not None
        and key not in ("name", "unknown", *SALTS_OWN)
        and not key.startswith("__")
    }


def unknown(given, known):
    """
    Yield what is wrong with each key that is not known, with the one that was probably meant.
    """
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            those = f", `{near[0]}` is" if near else f"; these are: {', '.join(known)}"
            yield f"`{key}` is no key of it{those}"
