"""Calls an API again and again with the token that lies in a file. There is no OAuth in here: tokensource keeps the
file fresh. Python 3, standard library only.

A private authority: SSL_CERT_FILE names its PEM file.
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
    """One request, with the token as the file has it now."""
    # Opened by its name at each use: the kubelet swaps the folder behind the name, so a file that is kept open, and a
    # value that is kept in memory, stay old.
    with open(TOKEN_FILE, encoding="ascii") as file:
        token = file.read().strip()
    # http.client follows no redirect. urllib.request would, and carry the token along to another host.
    connection = http.client.HTTPSConnection(API.hostname, API.port, timeout=30)
    try:
        path = (API.path or "/") + ("?" + API.query if API.query else "")
        connection.request("GET", path, headers={"Authorization": "Bearer " + token})
        return connection.getresponse().status
    finally:
        connection.close()


def call():
    """One request, and one more after a 401: the token may have been replaced between reading and sending."""
    status = ask()
    return ask() if status == 401 else status


# As process 1 of a container, Python would ignore it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

while True:
    try:
        print(call(), flush=True)
    except (OSError, http.client.HTTPException) as error:
        print("failed:", error, flush=True)
    time.sleep(INTERVAL)
