"""
Talks to an engine's own webhook as the tenant would, by the options that the engine has for it.
"""

import base64
import http.client
import ssl

# Where a listener on all addresses is found.
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "*": "127.0.0.1", "": "127.0.0.1"}
LARGEST = 65536


def url(webhook):
    """
    Return where it is, as an admin would write it.
    """
    scheme = "https" if webhook.get("ssl_crt") else "http"
    address = webhook["address"]
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}:{webhook['port']}{webhook['path']}"


def request(webhook, method, path, timeout, body=None, any_certificate=False):
    """
    Return status and text of the answer to a request with the webhook's credentials.
    """
    place = (ANY.get(webhook["address"], webhook["address"]), webhook["port"])
    if webhook.get("ssl_crt"):
        context = _context(webhook["ssl_crt"], any_certificate)
        connection = http.client.HTTPSConnection(*place, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(*place, timeout=timeout)
    headers = {"Content-Type": "application/json", "Authorization": _credentials(webhook)}
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(LARGEST).decode("utf-8", "replace")
    finally:
        connection.close()


def _context(certificate, any_certificate):
    """
    Return a context that accepts the engine's own certificate and no other, or any: its name is not this address.
    """
    context = ssl.create_default_context(cafile=None if any_certificate else certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if any_certificate:
        context.verify_mode = ssl.CERT_NONE
    return context


def _credentials(webhook):
    if webhook.get("token"):
        return f"Bearer {webhook['token']}"
    pair = f"{webhook.get('username', '')}:{webhook.get('password', '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
