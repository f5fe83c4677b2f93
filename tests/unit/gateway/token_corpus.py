"""Tokens that must be refused, each with one fault and otherwise as good as a genuine one.

Where it matters, they are signed with the right key by hand, so that nothing but the fault can be why they are refused.
"""

import base64
import hashlib
import hmac
import json
import zlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from services.gateway.domain.claims import TOKEN_TYPE
from shared.internal_token import TYPE as IDENTITY_TYPE
from shared.token_keys import new_private_key, public_jwk

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
PRIVATE = new_private_key()
_KEY = load_pem_private_key(PRIVATE, None)
assert isinstance(_KEY, ec.EllipticCurvePrivateKey)
KEY: ec.EllipticCurvePrivateKey = _KEY
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PUBLIC_DER = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
JWK = public_jwk(KEY.public_key())
KID = JWK["kid"]
HEADER = {"alg": "ES256", "typ": TOKEN_TYPE, "kid": KID}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def written(document: object) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document, separators=(",", ":")).encode()


def numbers(head: str, key: ec.EllipticCurvePrivateKey = KEY) -> tuple[int, int]:
    """The two numbers of a signature, the second the lower of the two that there are."""
    r, s = decode_dss_signature(key.sign(head.encode("latin-1"), ec.ECDSA(SHA256())))
    return r, min(s, ORDER - s)


def raw(r: int, s: int) -> bytes:
    return r.to_bytes(32) + s.to_bytes(32)


def forge(header: object, payload: object, key: ec.EllipticCurvePrivateKey = KEY) -> str:
    """Sign anything as if it were a token."""
    head = f"{b64(written(header))}.{b64(written(payload))}"
    return f"{head}.{b64(raw(*numbers(head, key)))}"


def corpus(payload: dict[str, Any], seconds: int) -> dict[str, str]:
    """Every forgery of a token that says `payload` and is made at `seconds`."""
    return {
        **_shapes(payload),
        **_headers(payload),
        **_confusions(payload),
        **_signatures(payload),
        **_payloads(payload),
        **_claims(payload, seconds),
    }


def genuine(payload: dict[str, Any]) -> str:
    """What `forge` makes of a token without a fault."""
    return forge(HEADER, payload)


def _shapes(payload: dict[str, Any]) -> dict[str, str]:
    token = genuine(payload)
    header, body, signature = token.split(".")
    return {
        "empty": "",
        "dots": "..",
        "words": "not a token",
        "no parts": "a" * 200,
        "two parts": f"{header}.{body}",
        "four parts": f"{token}.{signature}",
        "JWE": ".".join(
            [b64(b'{"alg":"ECDH-ES","enc":"A256GCM"}'), "", b64(b"i" * 12), b64(b"c" * 40), b64(b"t" * 16)]
        ),
        "JWE around it": ".".join(
            [b64(written({**HEADER, "enc": "A256GCM", "cty": "JWT"})), "", body, body, signature]
        ),
        "JSON serialization": json.dumps({"payload": body, "protected": header, "signature": signature}),
        "JSON general serialization": json.dumps(
            {"payload": body, "signatures": [{"protected": header, "signature": signature}]}
        ),
        "a space before": f" {token}",
        "a space behind": f"{token} ",
        "a line break behind": f"{token}\n",
        "a space inside": f"{header}. {body}.{signature}",
        "a line break inside": f"{header}.{body[:8]}\n{body[8:]}.{signature}",
        "a tab inside": f"{header}.\t{body}.{signature}",
        "NUL behind": f"{token}\0",
        "NUL inside": f"{header}.{body}\0.{signature}",
        "padding of the header": f"{header}=.{body}.{signature}",
        "padding of the payload": f"{header}.{body}==.{signature}",
        "padding of the signature": f"{token}==",
        "letters of plain base64": f"{header}.{body}.{'+/' + signature[2:]}",
        "a letter that looks alike": token.replace("a", "\u0430", 1),
        "full width letters": f"{header}.{body}.{signature[:-1]}\uff21",
        "an umlaut": f"ä{token}",
        "surrogates": f"{token}\udc80",
        "direction mark": f"\u202e{token}",
        "a dot that is none": f"{header}\u3002{body}.{signature}",
        "percent encoded": token.replace(".", "%2E"),
        "quoted": f'"{token}"',
        "twice": f"{token},{token}",
        "8193 characters": "e30." * 2048 + "e",
        "a million characters": "a" * 1_000_000,
        "a million dots": "." * 1_000_000,
        "a payload over the limit": forge(HEADER, {**payload, "x": "a" * 8000}),
        "a header over the limit": forge({**HEADER, "kid": "a" * 600}, payload),
    }


def _headers(payload: dict[str, Any]) -> dict[str, str]:
    without = {name: {key: value for key, value in HEADER.items() if key != name} for name in HEADER}
    extra = {
        "jku": "https://attacker.example/jwks.json",
        "jwk": JWK,
        "x5u": "https://attacker.example/cert.pem",
        "x5c": [b64(PUBLIC_DER)],
        "x5t": "a" * 27,
        "crit": ["exp"],
        "b64": False,
        "zip": "DEF",
        "enc": "A256GCM",
        "cty": "JWT",
        "epk": JWK,
        "unknown": 1,
    }
    kids: dict[str, object] = {
        "a path": "../../../../dev/null",
        "a URL": "https://attacker.example/key",
        "SQL": "' OR 1=1 --",
        "a shell": "| cat /etc/passwd",
        "a template": "${7*7}{{7*7}}",
        "NUL": f"{KID}\0",
        "a space": f"{KID} ",
        "upper case": KID.upper(),
        "half": KID[:20],
        "empty": "",
        "null": None,
        "a number": 1,
        "true": True,
        "a list": [KID],
        "an object": {"kid": KID},
    }
    algorithms = (
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "",
        " ",
        "null",
        "es256",
        "ES256K",
        "ES384",
        "ES512",
        "EdDSA",
    )
    typed: dict[str, object] = {"null": None, "a number": 256, "true": True, "a list": ["ES256"], "an object": {"a": 1}}
    types: dict[str, object] = {
        "JWT": "JWT",
        "of an identity token": IDENTITY_TYPE,
        "of RFC 9068": "at+jwt",
        "upper case": TOKEN_TYPE.upper(),
        "a list": [TOKEN_TYPE],
        "null": None,
    }
    texts = {
        "nested lists": b"[" * 180 + b"]" * 180,
        "nested objects": b'{"a":' * 60 + b"1" + b"}" * 60,
        "unclosed": b"[" * 370,
        "a list": b"[]",
        "a text": b'"ES256"',
        "a number": b"1",
        "null": b"null",
        "true": b"true",
        "no JSON": b"{alg:ES256}",
        "nothing": b" ",
        "not UTF-8": b"\xff\xfe",
        "a byte order mark": b"\xef\xbb\xbf" + written(HEADER),
        "UTF-16": json.dumps(HEADER).encode("utf-16"),
        "half a surrogate pair": written({**HEADER, "kid": "\ud800"}),
        "two values": written(HEADER) + b"{}",
        "alg twice": written(HEADER)[:-1] + b',"alg":"none"}',
        "alg twice, the good one last": b'{"alg":"none",' + written(HEADER)[1:],
        "kid twice": written(HEADER)[:-1] + b',"kid":"x"}',
        "NaN": written(HEADER)[:-1] + b',"x":NaN}',
        "a huge number": written(HEADER)[:-1] + b',"x":1e400}',
        "thousands of digits": written({**HEADER, "kid": 0})[:-2] + b"9" * 300 + b"}",
    }
    return {
        **{f"header without {name}": forge(header, payload) for name, header in without.items()},
        **{f"header with {name}": forge({**HEADER, name: value}, payload) for name, value in extra.items()},
        **{f"kid {name}": forge({**HEADER, "kid": value}, payload) for name, value in kids.items()},
        **{f"alg {name!r}": forge({**HEADER, "alg": name}, payload) for name in algorithms},
        **{f"alg {name!r} unsigned": _unsigned({**HEADER, "alg": name}, payload) for name in algorithms},
        **{f"alg {name}": forge({**HEADER, "alg": value}, payload) for name, value in typed.items()},
        **{f"typ {name}": forge({**HEADER, "typ": value}, payload) for name, value in types.items()},
        **{f"header that is {name}": forge(text, payload) for name, text in texts.items()},
    }


def _confusions(payload: dict[str, Any]) -> dict[str, str]:
    other = rsa.generate_private_key(65537, 2048)
    stranger = ec.generate_private_key(ec.SECP256R1())
    secrets = {
        "PEM": PUBLIC,
        "PEM without its last line break": PUBLIC.rstrip(),
        "PEM without armour": b"".join(PUBLIC.splitlines()[1:-1]),
        "DER": PUBLIC_DER,
        "point": KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "JWK": written(JWK),
        "x": JWK["x"].encode(),
        "kid": KID.encode(),
        "nothing": b"",
    }
    head = f"{b64(written({**HEADER, 'alg': 'RS256'}))}.{b64(written(payload))}"
    return {
        **{
            f"{algorithm} with the public key as {name}": _hmac({**HEADER, "alg": algorithm}, payload, secret)
            for algorithm in ("HS256", "HS384", "HS512", "ES256")
            for name, secret in secrets.items()
        },
        "RS256 by another key": f"{head}.{b64(other.sign(head.encode(), padding.PKCS1v15(), SHA256()))}",
        "a stranger's key": forge(HEADER, payload, stranger),
        "a stranger's key by its own name": forge(
            {**HEADER, "kid": public_jwk(stranger.public_key())["kid"]}, payload, stranger
        ),
        "a stranger's key brought along": forge(
            {**HEADER, "jwk": public_jwk(stranger.public_key())}, payload, stranger
        ),
    }


def _signatures(payload: dict[str, Any]) -> dict[str, str]:
    token = genuine(payload)
    head, _, signature = token.rpartition(".")
    header, body = head.split(".")
    r, s = numbers(head)
    der = KEY.sign(head.encode(), ec.ECDSA(SHA256()))
    # The last letter holds four bits that belong to no byte.
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(signature[-1])
    changed = {**payload, "sub": "root"}
    signed = {
        "of nothing but zeros": bytes(64),
        "with r zero": raw(0, s),
        "with s zero": raw(r, 0),
        "with r the order": raw(ORDER, s),
        "with s the order": raw(r, ORDER),
        "of nothing but ones": b"\xff" * 64,
        "with r and s swapped": raw(s, r),
        "with the higher s": raw(r, ORDER - s),
        "in DER": der,
        "in DER, padded": der.ljust(96, b"\0"),
        "63 bytes long": raw(r, s)[:63],
        "65 bytes long": raw(r, s) + b"\0",
        "with a zero in front": b"\0" + raw(r, s),
        "two times": raw(r, s) * 2,
        "of a megabyte": b"a" * 1_000_000,
    }
    return {
        "no signature": f"{head}.",
        "half a signature": token[:-43],
        "all but a letter of a signature": token[:-1],
        "bits that mean nothing in the signature": token[:-1]
        + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last ^ 1],
        "another payload": f"{header}.{b64(written(changed))}.{signature}",
        "another header": f"{b64(written({**HEADER, 'alg': 'ES256 '}))}.{body}.{signature}",
        "the signature of another token": f"{head}.{forge(HEADER, changed).rpartition('.')[2]}",
        **{f"a signature {name}": f"{head}.{b64(data)}" for name, data in signed.items()},
    }


def _payloads(payload: dict[str, Any]) -> dict[str, str]:
    text = written(payload)
    said = {
        "a list": b"[]",
        "a text": b'"text"',
        "a number": b"1",
        "null": b"null",
        "nothing": b" ",
        "an empty object": b"{}",
        "no JSON": b"sub=root",
        "not UTF-8": b"\xff" + text,
        "UTF-16": text.decode().encode("utf-16"),
        "packed": zlib.compress(text),
        "nested lists": b"[" * 2800 + b"]" * 2800,
        "unclosed": b"[" * 5600,
        "nested in a claim": text[:-1] + b',"x":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
        "NaN in a claim": text[:-1] + b',"x":NaN}',
        "Infinity in a claim": text[:-1] + b',"x":[-Infinity]}',
        "a fraction in a claim": text[:-1] + b',"x":1.5}',
        "1e400 in a claim": text[:-1] + b',"x":1e400}',
        "5000 digits in a claim": text[:-1] + b',"x":' + b"9" * 5000 + b"}",
        "sub twice": text[:-1] + b',"sub":"root"}',
        "sub twice, the good one last": b'{"sub":"root",' + text[1:],
        "exp twice": text[:-1] + b',"exp":99999999999}',
        "a claim of a claim twice": text[:-1] + b',"x":{"a":1,"a":2}}',
        "two values": text + text,
        "a token": forge(HEADER, payload).encode(),
    }
    return {f"a payload that is {name}": forge(HEADER, content) for name, content in said.items()}


def _claims(payload: dict[str, Any], seconds: int) -> dict[str, str]:
    end = seconds + 600
    changes: dict[str, list[object]] = {
        "iss": ["someone", "", "futago ", "FUTAGO", "futago-gateway", None, True, 1, ["futago"], {"a": 1}],
        "aud": [
            "twin",
            "",
            "FUTAGO-API",
            "futago-api ",
            None,
            True,
            1,
            ["futago-api"],
            ["twin", "futago-api"],
            {"a": 1},
        ],
        "typ": ["refresh", "identity", "", None, True, ["access"]],
        "sub": ["", None, True, 1, ["olga"], {"name": "olga"}],
        "sid": [None, True, 1, ["s1"], {"a": 1}],
        "gen": [None, True, "3", [3], {"a": 3}],
        "exp": [
            str(end),
            "",
            None,
            True,
            False,
            0,
            -1,
            [end],
            {"a": end},
            seconds,
            seconds - 1,
            end + 7200,
            10**18,
            10**400,
        ],
        "iat": [str(seconds), "", None, True, -1, -(10**18), 10**18, [seconds], seconds + 6, seconds + 86_400, end],
        "nbf": [str(seconds), "", None, True, [seconds], seconds + 6, seconds + 86_400, 10**400],
    }
    numbers = (
        "Infinity",
        "-Infinity",
        "NaN",
        "1e400",
        "-1e400",
        "1e9",
        f"{end}.0",
        f"{end}.5",
        "9" * 5000,
        "0x7fffffff",
    )
    return {
        **{f"without {name}": forge(HEADER, _without(payload, name)) for name in payload if name != "jti"},
        **{
            f"{name} = {str(value)[:30]!r} ({type(value).__name__})": forge(HEADER, {**payload, name: value})
            for name, values in changes.items()
            for value in values
        },
        **{
            f"{name} = {number[:12]}": forge(HEADER, _with_text(payload, name, number))
            for name in ("exp", "iat", "nbf", "gen")
            for number in numbers
        },
    }


def _without(payload: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}


def _with_text(payload: dict[str, Any], name: str, number: str) -> bytes:
    """The payload with a number that Python's own writer would not write."""
    return written(_without(payload, name))[:-1] + f',"{name}":{number}}}'.encode()


def _unsigned(header: object, payload: object) -> str:
    return f"{b64(written(header))}.{b64(written(payload))}."


def _hmac(header: object, payload: object, secret: bytes) -> str:
    head = f"{b64(written(header))}.{b64(written(payload))}"
    # As long as a signature of ours, so that its length is not what gives it away.
    return f"{head}.{b64(hmac.new(secret, head.encode(), hashlib.sha512).digest())}"
