"""A mail server that others wrote (aiosmtpd), for tests/it/smtp_peer.rs: prints its port, then each mail as a line of JSON.

usage: smtp_peer.py tls|starttls CERTIFICATE KEY USER PASSWORD
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import AuthResult, LoginPassword


class Printer:
    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "is_known": session.authenticated,
            "content": envelope.content.decode("utf-8"),
        }
        print(json.dumps(mail), flush=True)
        return "250 2.0.0 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 There is no such person"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"


def main(mode, certificate, key, user, password):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    wanted = LoginPassword(user.encode(), password.encode())

    def authenticator(server, session, envelope, mechanism, data):
        return AuthResult(success=data == wanted, handled=False)

    guard = {
        "tls": {"ssl_context": context, "auth_require_tls": False},
        "starttls": {"tls_context": context, "require_starttls": True},
    }[mode]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    server = UnthreadedController(
        Printer(), "127.0.0.1", 0, loop, authenticator=authenticator, auth_required=True, **guard
    )
    server.begin()
    print(server.server.sockets[0].getsockname()[1], flush=True)
    # Whoever started it ends it.
    loop.run_forever()


main(*sys.argv[1:])
