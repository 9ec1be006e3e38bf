"""A mail server that keeps nothing and prints each accepted mail as a line of JSON, for the tests.

Usage: smtp_server.py PORT [--certificate FILE --key FILE [--from-the-start]] [--user USER --password PASSWORD]

The first line of output is `listening`. How it treats a recipient depends on the beginning of the local part:
`never` is refused, `spam` is refused after the text, `later` is refused twice and then accepted, `dropped` is accepted and the
connection closed without a reply the first time, `slow` is never answered.
"""

import argparse
import asyncio
import json
import ssl
from collections import Counter

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self):
        self.tries = Counter()

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.tries[address] += 1
        if address.startswith("never"):
            return f"550 5.1.1 <{address}> is unknown here"
        if address.startswith("later") and self.tries[address] <= 2:
            return f"451 4.7.1 try <{address}> later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        [to] = envelope.rcpt_tos
        if to.startswith("spam"):
            return f"554 5.6.0 not to <{to}>"
        if to.startswith("slow"):
            await asyncio.sleep(3600)
        mail = {
            "from": envelope.mail_from,
            "to": to,
            "text": envelope.original_content.decode("ascii"),
            "encrypted": server.transport.get_extra_info("sslcontext") is not None,
            "authenticated": bool(session.authenticated),
        }
        print(json.dumps(mail), flush=True)
        if to.startswith("dropped") and self.tries[to] == 1:
            server.transport.abort()
        return "250 2.0.0 taken"


async def serve(arguments):
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate, arguments.key)
    start_tls = context if not arguments.from_the_start else None

    def authenticator(server, session, envelope, mechanism, data):
        right = (data.login.decode(), data.password.decode()) == (arguments.user, arguments.password)
        return AuthResult(success=right, handled=False)

    handler = Handler()

    def session():
        return SMTP(
            handler,
            hostname="localhost",
            tls_context=start_tls,
            require_starttls=start_tls is not None,
            authenticator=authenticator,
            auth_required=arguments.user is not None,
            auth_require_tls=start_tls is not None,
        )

    own = context if arguments.from_the_start else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", arguments.port, ssl=own)
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--from-the-start", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("--password")
    asyncio.run(serve(parser.parse_args()))
