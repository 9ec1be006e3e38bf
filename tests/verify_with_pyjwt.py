"""Verifies an access token with PyJWT alone, against the keys of a JWK Set, and prints its claims as JSON.

Usage: verify_with_pyjwt.py JWKS_FILE TOKEN [ISSUER AUDIENCE]
"""

import json
import sys

import jwt


def main(jwks_file, token, issuer=None, audience=None):
    with open(jwks_file, encoding="utf-8") as file:
        keys = jwt.PyJWKSet.from_dict(json.load(file))
    header = jwt.get_unverified_header(token)
    if header["typ"] != "at+jwt":
        sys.exit(f"typ is {header['typ']}")
    key = keys[header["kid"]]
    required = ["sub", "iat", "exp", "jti"]
    claims = jwt.decode(
        token, key, algorithms=["EdDSA"], issuer=issuer, audience=audience, options={"require": required}
    )
    print(json.dumps(claims))


if __name__ == "__main__":
    main(*sys.argv[1:])
