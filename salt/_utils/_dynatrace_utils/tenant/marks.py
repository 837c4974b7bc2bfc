"""
Marks in their description what these modules make where there is no external id.
"""

MARK = "salt-dynatrace"
ABOUT = "Set by Salt, which sets it again and takes it back by this line:"


def described(external_id):
    """
    Return a description that carries an external id.
    """
    return f"{ABOUT} {external_id}"


def external_id(description):
    """
    Return the external id of a description, or None for one of a person.
    """
    text = description if isinstance(description, str) else ""
    _, found, mark = text.rpartition(f"{ABOUT} ")
    return mark.strip() if found and mark.startswith(f"{MARK}:") else None
