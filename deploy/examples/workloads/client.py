"""Calls an API again and again with the token in a file. It contains no OAuth: tokensource keeps the file fresh. It
needs Python 3 and its standard library only.

SSL_CERT_FILE names the PEM file of a private authority.
"""

import http.client
import os
import signal
import sys
import time
import urllib.parse

API = urllib.parse.urlsplit(os.environ["API_URL"])
TOKEN_FILE = os.environ["TOKEN_FILE"]
INTERVAL = float(os.environ["INTERVAL_SECONDS"])


def ask():
    """Sends one request, with the token that is in the file now."""
    # Open the file by its name for each use. The kubelet replaces the directory behind the name, so a file that is
    # kept open, or a value that is kept in memory, stays old.
    with open(TOKEN_FILE, encoding="ascii") as file:
        token = file.read().strip()
    # http.client follows no redirects. urllib.request would, and would send the token to another host.
    connection = http.client.HTTPSConnection(API.hostname, API.port, timeout=30)
    try:
        path = (API.path or "/") + ("?" + API.query if API.query else "")
        connection.request("GET", path, headers={"Authorization": "Bearer " + token})
        return connection.getresponse().status
    finally:
        connection.close()


def call():
    """Sends a request, and one more after a 401: the token may have been replaced between reading and sending."""
    status = ask()
    return ask() if status == 401 else status


# Python ignores SIGTERM if it is process 1 of a container.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

while True:
    try:
        print(call(), flush=True)
    except (OSError, http.client.HTTPException) as error:
        print("failed:", error, flush=True)
    time.sleep(INTERVAL)
