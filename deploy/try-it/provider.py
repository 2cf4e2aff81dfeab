"""A provider of OAuth 2.0 tokens, and an API that accepts them, to try tokensource with. Not for anything else: it forgets all
tokens when it ends. It writes no token and no secret to its output."""

import base64
import hmac
import http.server
import json
import os
import secrets
import ssl
import time
import urllib.parse

LIFETIME = int(os.environ["LIFETIME_SECONDS"])
ADDRESS = os.environ.get("ADDRESS", "")  # all addresses by default
PORT = int(os.environ["PORT"])
CLIENT = os.environ["CLIENT"]  # the directory with the client's id and secret
CERTIFICATE = os.environ["CERTIFICATE"]  # the directory with the certificate and its key

issued = {}  # token: its number, and when it expires


def content(name):
    with open(os.path.join(CLIENT, name), encoding="utf-8") as file:
        return file.read()


class Handler(http.server.BaseHTTPRequestHandler):
    """Issues tokens at /token, and takes them at /books."""

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        if self.path != "/token":
            self.answer(404, {"error": "not_found"})
        elif not self.is_client():
            self.answer(401, {"error": "invalid_client"})
        elif form.get("grant_type") != ["client_credentials"]:
            self.answer(400, {"error": "unsupported_grant_type"})
        else:
            token = secrets.token_urlsafe(32)
            issued[token] = (len(issued) + 1, time.time() + LIFETIME)
            self.answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME})

    def do_GET(self):
        number, end = issued.get(self.credentials("Bearer"), (0, 0))
        left = round(end - time.time())
        if self.path == "/healthz":
            self.answer(200, {})
        elif self.path != "/books":
            self.answer(404, {"error": "not_found"})
        elif left <= 0:
            self.answer(401, {"error": "invalid_token"})
        else:
            self.answer(200, {"token_number": number, "seconds_left": left})

    def is_client(self):
        """HTTP Basic with both halves form-encoded, as RFC 6749 section 2.3.1 requires."""
        try:
            pair = base64.b64decode(self.credentials("Basic"), validate=True).decode()
        except ValueError:
            return False
        presented = [urllib.parse.unquote_plus(half) for half in pair.split(":", 1)]
        expected = [content("client_id"), content("client_secret")]
        return hmac.compare_digest("\n".join(presented).encode(), "\n".join(expected).encode())

    def credentials(self, scheme):
        found, _, credentials = self.headers.get("Authorization", "").partition(" ")
        return credentials if found == scheme else ""

    def answer(self, status, body):
        body = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        if self.path != "/healthz":
            super().log_message(format, *arguments)


class Server(http.server.ThreadingHTTPServer):
    """Does the handshake in the connection's own thread, so that a slow client blocks no other."""

    def finish_request(self, request, address):
        request.settimeout(10)
        with tls.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, address)

    def handle_error(self, request, address):
        pass  # a client that disconnects, or does not trust the certificate


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(os.path.join(CERTIFICATE, "tls.crt"), os.path.join(CERTIFICATE, "tls.key"))
Server((ADDRESS, PORT), Handler).serve_forever()
