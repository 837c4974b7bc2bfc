"""
One self-contained HTML document that asks for nothing from elsewhere, under a strict content security policy.

Templates are made by ``template``: it escapes every value, and shows by ``text.shown`` what of it cannot be seen. The policy
lets no ``style`` attribute and no inline handler through: a look is a class of ``style.STYLE``, or in SVG a presentation
attribute (``fill``, ``x``).
"""

from __future__ import annotations

import base64
import hashlib

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from .style import STYLE
from .text import cut, moment, shown, state

_ENVIRONMENT = Environment(
    autoescape=True,
    finalize=shown,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(cut=cut, moment=moment, state=state)


def template(source: str) -> Template:
    """
    Return the template of a text; what it is given may be any text, and what it renders is ``Markup`` by ``rendered``.
    """
    return _ENVIRONMENT.from_string(source)


def rendered(made: Template, **facts: object) -> Markup:
    """
    Return what a template makes of facts, which another template takes as it is.
    """
    return Markup(made.render(**facts))


_DOCUMENT = template(
    """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
{{ body }}
{% if script %}
<script>{{ script }}</script>
{% endif %}
</body>
</html>
"""
)


def document(
    title: str, body: Markup, script: str | None = None, style: str = ""
) -> tuple[str, str]:
    """
    Return a whole document and its content security policy, as the header that goes with it says it.

    ``style`` is added to ``STYLE``. A script may ask the server that the document is from. The document names its policy
    too, for one that is opened as a file.
    """
    look = STYLE + style
    allowed = ["default-src 'none'", f"style-src '{_digest(look)}'", "img-src data:"]
    if script:
        allowed += [f"script-src '{_digest(script)}'", "connect-src 'self'"]
    allowed += ["base-uri 'none'", "form-action 'none'"]
    policy = "; ".join(allowed)
    html = _DOCUMENT.render(
        # Ours: nothing from outside is in them.
        **{"style": Markup(look), "script": Markup(script) if script else None},
        **{"title": title, "body": body, "policy": policy},
    )
    # Only a header may say the last: a browser complains of it in the document.
    return html, f"{policy}; frame-ancestors 'none'"


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
