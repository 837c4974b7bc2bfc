"""
What pip installs as the package ``salt_dynatrace``; a clone or gitfs needs nothing of this file.
"""

from pathlib import Path


def loader_dirs():
    """
    Return where Salt's loader finds each kind of module, in a clone (``pip install -e``) or in ``<prefix>/share``.
    """
    here = Path(__file__).resolve().parent
    shared = [parent / "share" / "salt-dynatrace" / "salt" for parent in here.parents]
    tree = next(
        (path for path in [here.parent / "salt", *shared] if (path / "_modules").is_dir()), here
    )
    kinds = ("modules", "runners", "states", "grains", "output")
    return {"engines": [str(here)], **{kind: [str(tree / f"_{kind}")] for kind in kinds}}
