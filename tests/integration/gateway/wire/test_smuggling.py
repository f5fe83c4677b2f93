"""Requests that two readers could take for different ones, sent byte by byte through the gateway's own process.

Whatever is sent, the service behind it sees exactly one request in one reading, or none (RFC 9112, section 11.2).
"""

import json
import re
import time

import pytest

from tests.integration.gateway.wire.gateway_process import GatewayProcess, read_to_the_end
from tests.integration.gateway.wire.recorder import Recorder

PREDICT = b"POST /api/v1/twin/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MODELS = b"GET /api/v1/twin/models HTTP/1.1\r\nHost: x\r\n"
# Stands for the line with the key, which is not known before the gateway runs.
KEY = b"X-API-Key: key\r\n"
SMUGGLED = b"GET /api/v1/twin/models/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def statuses(answer: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)


UNCLEAR_FRAMING = {
    "CL.TE": b"Content-Length: 6\r\n" + CHUNKED,
    "TE.CL": CHUNKED + b"Content-Length: 6\r\n",
    "TE twice": CHUNKED + CHUNKED,
    "TE list": b"Transfer-Encoding: chunked, identity\r\n",
    "TE list reversed": b"Transfer-Encoding: identity, chunked\r\n",
    "TE gzip": b"Transfer-Encoding: gzip, chunked\r\n",
    "TE unknown": b"Transfer-Encoding: xchunked\r\n",
    "TE quoted": b'Transfer-Encoding: "chunked"\r\n',
    "TE empty": b"Transfer-Encoding:\r\n",
    "TE vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
    "TE form feed": b"Transfer-Encoding: chunked\x0c\r\n",
    "TE nul": b"Transfer-Encoding: chunked\x00\r\n",
    "TE space before colon": b"Transfer-Encoding : chunked\r\n",
    "TE tab before colon": b"Transfer-Encoding\t: chunked\r\n",
    "TE folded": b"Transfer-Encoding:\r\n chunked\r\n",
    "TE after a bare LF": b"X: y\nTransfer-Encoding: chunked\r\n",
    "TE after a bare CR": b"X: y\rTransfer-Encoding: chunked\r\n",
    "TE in the value": b"X: y\r\n\tTransfer-Encoding: chunked\r\n",
    "CL equal twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "CL twice": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "CL list": b"Content-Length: 5, 5\r\n",
    "CL negative": b"Content-Length: -5\r\n",
    "CL plus": b"Content-Length: +5\r\n",
    "CL hex": b"Content-Length: 0x5\r\n",
    "CL with space": b"Content-Length: 1 0\r\n",
    "CL with underscore": b"Content-Length: 1_0\r\n",
    "CL fraction": b"Content-Length: 5.0\r\n",
    "CL overflow": b"Content-Length: 18446744073709551621\r\n",
    "CL empty": b"Content-Length:\r\n",
    "CL in other digits": b"Content-Length: \xd9\xa5\r\n",
    "CL space before colon": b"Content-Length : 5\r\n",
}


@pytest.mark.parametrize("framing", UNCLEAR_FRAMING.values(), ids=UNCLEAR_FRAMING)
def test_a_body_of_unclear_length_goes_no_further(gateway: GatewayProcess, recorder: Recorder, framing: bytes):
    answer = gateway.say(PREDICT + gateway.key_line + framing + b"\r\n0\r\n\r\n" + SMUGGLED)
    assert statuses(answer) in ([b"400"], [b"422"])
    assert recorder.asked() == []


UNCLEAR_CHUNKS = {
    "hex prefix": b"0x5\r\nabcde\r\n0\r\n\r\n",
    "plus": b"+5\r\nabcde\r\n0\r\n\r\n",
    "minus": b"-5\r\nabcde\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nabcde\r\n0\r\n\r\n",
    "empty size": b"\r\nabcde\r\n0\r\n\r\n",
    "overflow": b"10000000000000005\r\nabcde\r\n0\r\n\r\n",
    "no CRLF after the data": b"5\r\nabcde0\r\n\r\n",
    "bare LF after the size": b"5\nabcde\r\n0\r\n\r\n",
    "bare LF after the data": b"5\r\nabcde\n0\r\n\r\n",
    "bare CR after the size": b"5\rabcde\r\n0\r\n\r\n",
    "bare LF in an extension": b"5;a\nabcde\r\n0\r\n\r\n",
    "data too long": b"5\r\nabcdefg\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nabcde\r\n0\r\n\r\n",
    "nul in the size": b"5\x00\r\nabcde\r\n0\r\n\r\n",
    "length among the trailer fields": b"0\r\nContent-Length: 7\r\n\r\n",
    "coding among the trailer fields": b"0\r\nTransfer-Encoding: gzip\r\n\r\n",
}


@pytest.mark.parametrize("chunks", UNCLEAR_CHUNKS.values(), ids=UNCLEAR_CHUNKS)
def test_chunks_that_can_be_read_in_two_ways_end_the_connection(
    gateway: GatewayProcess, recorder: Recorder, chunks: bytes
):
    answer = gateway.say(PREDICT + gateway.key_line + CHUNKED + b"\r\n" + chunks + SMUGGLED)
    assert statuses(answer) == [b"400"]
    assert [each for each in recorder.asked() if b"smuggled" in each.line or each.body] == []


UNCLEAR_REQUESTS = {
    "HTTP/0.9": b"GET /api/v1/twin/models HTTP/0.9\r\n\r\n",
    "HTTP/2.0": MODELS.replace(b"1.1", b"2.0") + b"\r\n",
    "HTTP/1.2": MODELS.replace(b"1.1", b"1.2") + b"\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "chunks in HTTP/1.0": PREDICT.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n",
    "bare LF": MODELS.replace(b"\r\n", b"\n") + b"\n",
    "bare CR": MODELS.replace(b"\r\n", b"\r") + b"\r",
    "space before colon": MODELS + b"X-API-Key : y\r\n\r\n",
    "folded": MODELS + b"A: b\r\n c\r\n\r\n",
    "nul in a value": MODELS + b"A: b\x00c\r\n\r\n",
    "nul in a name": MODELS + b"A\x00: b\r\n\r\n",
    "CR in a value": MODELS + b"A: b\rc\r\n\r\n",
    "no name": MODELS + b": b\r\n\r\n",
    "no host": MODELS.replace(b"Host: x\r\n", b"") + b"\r\n",
    "two hosts": MODELS + b"Host: y\r\n\r\n",
    "a host with a space": MODELS.replace(b"Host: x", b"Host: x y") + b"\r\n",
    "a host with a path": MODELS.replace(b"Host: x", b"Host: x/y") + b"\r\n",
    "user info in the host": MODELS.replace(b"Host: x", b"Host: y@x") + b"\r\n",
    "a host beyond ASCII": MODELS.replace(b"Host: x", b"Host: x\xff") + b"\r\n",
    "another host in the target": MODELS.replace(b" /", b" http://y/") + b"\r\n",
    "user info in the target": MODELS.replace(b" /", b" http://x@x/") + b"\r\n",
    "another scheme": MODELS.replace(b" /", b" ftp://x/") + b"\r\n",
    "fragment": MODELS.replace(b"models", b"models#/../smuggled") + b"\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    "lower case method": MODELS.replace(b"GET", b"get") + b"\r\n",
    "method with a space": MODELS.replace(b"GET", b"GET GET") + b"\r\n",
    "tab for a space": MODELS.replace(b" /", b"\t/") + b"\r\n",
    "nul in the target": MODELS.replace(b"models", b"mod\x00els") + b"\r\n",
    "bytes beyond ASCII in the target": MODELS.replace(b"models", b"mod\xffels") + b"\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303"),
}


@pytest.mark.parametrize("request_bytes", UNCLEAR_REQUESTS.values(), ids=UNCLEAR_REQUESTS)
def test_what_is_no_clear_request_ends_the_connection(
    gateway: GatewayProcess, recorder: Recorder, request_bytes: bytes
):
    keyed = request_bytes.replace(b"\r\nHost: x\r\n", b"\r\nHost: x\r\n" + gateway.key_line, 1)
    answer = gateway.say(keyed + SMUGGLED)
    assert statuses(answer) == [b"400"]
    assert b"\r\nconnection: close\r\n" in answer.lower()
    assert b"content-type: application/problem+json\r\n" in answer
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["code"].startswith("request.")
    assert f"x-request-id: {problem['request_id']}\r\n".encode() in answer
    assert recorder.asked() == []


@pytest.mark.parametrize(
    "request_line",
    [b"TRACE /api/v1/twin/models", b"PROPFIND /api/v1/twin/models", b"DELETE /api/v1/twin/predict"],
)
def test_a_method_that_is_not_in_the_table_goes_no_further(
    gateway: GatewayProcess, recorder: Recorder, request_line: bytes
):
    answer = gateway.say(
        request_line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: secret\r\n" + gateway.key_line + b"\r\n"
    )
    assert statuses(answer) == [b"405"]
    assert b"secret" not in answer
    assert recorder.asked() == []


ONE_REQUEST = {
    "upgrade to HTTP/2": MODELS + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
    "upgrade to WebSocket": MODELS + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "after the last request": MODELS + b"Connection: close\r\n",
    "the same host in the target": MODELS.replace(b" /", b" http://X/") + b"Connection: close\r\n",
    "HTTP/1.0": MODELS.replace(b"1.1", b"1.0"),
    "a host of IPv6 with a port": MODELS.replace(b"Host: x", b"Host: [2001:db8::1%25eth0]:8080")
    + b"Connection: close\r\n",
    "a host of nobody": MODELS.replace(b"Host: x", b"Host:") + b"Connection: close\r\n",
    "expects 100-continue": MODELS + b"Expect: 100-continue\r\nConnection: close\r\n",
}


@pytest.mark.parametrize("head", ONE_REQUEST.values(), ids=ONE_REQUEST)
def test_what_follows_the_last_request_of_a_connection_is_not_read(
    gateway: GatewayProcess, recorder: Recorder, head: bytes
):
    answer = gateway.say(head + gateway.key_line + b"\r\n" + SMUGGLED)
    assert statuses(answer) == [b"200"]
    assert [each.line for each in recorder.asked()] == [b"GET /api/v1/twin/models HTTP/1.1"]


def test_trailer_fields_are_not_headers(gateway: GatewayProcess, recorder: Recorder):
    trailers = b"X-Futago-Identity: forged\r\nX-Mine: 1\r\nContent-Type: text/plain\r\n"
    head = PREDICT + gateway.key_line + CHUNKED + b"Connection: close\r\nTrailer: X-Mine\r\n\r\n"
    answer = gateway.say(head + b"2;a=b\r\n{}\r\n0\r\n" + trailers + b"\r\n")
    assert statuses(answer) == [b"200"]
    (request,) = recorder.asked()
    assert request.body == b"{}"
    names = [name for name, _ in request.headers]
    assert names.count(b"x-futago-identity") == 1
    assert not {b"x-mine", b"content-length", b"trailer"} & set(names)
    assert (b"x-futago-identity", b"forged") not in request.headers


def test_a_credential_among_the_trailer_fields_does_not_count(gateway: GatewayProcess, recorder: Recorder):
    answer = gateway.say(
        PREDICT + CHUNKED + b"Connection: close\r\n\r\n" + b"2\r\n{}\r\n0\r\n" + gateway.key_line + b"\r\n"
    )
    assert statuses(answer) == [b"401"]
    assert recorder.asked() == []


IDENTITIES = {
    "plain": b"X-Futago-Identity: forged\r\n",
    "other case": b"x-fUTAGO-iDENTITY: forged\r\n",
    "underscores": b"X_Futago_Identity: forged\r\n",
    "mixed": b"X-Futago_Identity: forged\r\n",
    "twice": b"X-Futago-Identity: forged\r\nX-Futago-Identity: forged\r\n",
    "nominated by Connection": b"Connection: close, X-Futago-Identity\r\n",
    "nominated in other case": b"Connection: close, x-futago-IDENTITY, x-request-id\r\n",
}


@pytest.mark.parametrize("forged", IDENTITIES.values(), ids=IDENTITIES)
def test_nobody_outside_says_who_calls(gateway: GatewayProcess, recorder: Recorder, forged: bytes):
    answer = gateway.say(MODELS + gateway.key_line + forged + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [b"200"]
    (request,) = recorder.asked()
    identities = [value for name, value in request.headers if name.replace(b"_", b"-") == b"x-futago-identity"]
    assert len(identities) == 1
    assert identities[0] != b"forged"
    assert identities[0].count(b".") == 2
    assert b"x-request-id" in dict(request.headers)


def test_each_of_several_requests_on_one_connection_is_answered_in_turn(gateway: GatewayProcess, recorder: Recorder):
    one = MODELS + gateway.key_line + b"\r\n"
    last = MODELS + gateway.key_line + b"Connection: close\r\n\r\n"
    assert statuses(gateway.say(one * 9 + last)) == [b"200"] * 10
    assert len(recorder.asked()) == 10


def test_more_requests_than_may_wait_are_not_served(gateway: GatewayProcess, recorder: Recorder):
    answer = gateway.say((MODELS + gateway.key_line + b"\r\n") * 500)
    assert 1 <= len(statuses(answer)) <= 20
    assert set(statuses(answer)) == {b"200"}
    assert len(recorder.asked()) == len(statuses(answer))


def test_nonsense_after_a_request_is_no_answer_to_it(gateway: GatewayProcess, recorder: Recorder):
    answer = gateway.say(MODELS + gateway.key_line + b"\r\nnonsense\r\n\r\n" + SMUGGLED)
    assert statuses(answer) == [b"200"]
    assert len(recorder.asked()) == 1


LIMITS = {
    "a long target": (b"414", MODELS.replace(b"models", b"models?" + b"q" * 9_000) + b"\r\n"),
    "a target without end": (b"414", b"GET /" + b"a" * 60_000),
    "a long header": (b"431", MODELS + b"A: " + b"a" * 33_000 + b"\r\n\r\n"),
    "a header without end": (b"431", MODELS + b"A: " + b"a" * 60_000),
    "a long token": (b"401", MODELS + b"Authorization: Bearer " + b"a" * 33_000 + b"\r\n\r\n"),
    "a token without end": (b"401", MODELS + b"AUTHORIZATION: Bearer " + b"a" * 600_000),
    "a long header after a token": (b"431", MODELS + b"Authorization: Bearer a\r\nA: " + b"a" * 60_000),
    "many headers and a token": (b"431", MODELS + b"Authorization: Bearer a\r\n" + b"A: b\r\n" * 101 + b"\r\n"),
    "many long headers": (b"431", MODELS + b"".join(b"A%d: %s\r\n" % (n, b"a" * 4_000) for n in range(9)) + b"\r\n"),
    "many headers": (b"431", MODELS + b"".join(b"A%d: b\r\n" % n for n in range(101)) + b"\r\n"),
    "endless trailer": (b"431", PREDICT + KEY + CHUNKED + b"\r\n0\r\nA: " + b"a" * 600_000),
    "endless chunk extension": (b"431", PREDICT + KEY + CHUNKED + b"\r\n5;" + b"a" * 600_000),
}


@pytest.mark.parametrize(("status", "request_bytes"), LIMITS.values(), ids=LIMITS)
def test_what_is_too_long_is_refused_before_it_is_held(
    gateway: GatewayProcess, recorder: Recorder, status: bytes, request_bytes: bytes
):
    answer = gateway.say(request_bytes.replace(KEY, gateway.key_line))
    assert statuses(answer) == [status]
    assert answer.lower().count(b"connection: close") == 1
    assert recorder.asked() == []


def say_in_pieces(gateway: GatewayProcess, *pieces: bytes) -> bytes:
    with gateway.connect() as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.005)
        return read_to_the_end(connection)


def test_a_token_too_long_is_known_as_one_in_whatever_pieces_it_comes(gateway: GatewayProcess):
    head = MODELS + b"Authorization: Bearer "
    answer = say_in_pieces(gateway, head[:-14], head[-14:-12], head[-12:], *[b"a" * 5_000] * 9)
    assert statuses(answer) == [b"401"]
    assert b"\r\nwww-authenticate: Bearer\r\n" in answer


def test_what_is_too_long_behind_a_token_in_pieces_is_not_taken_for_it(gateway: GatewayProcess):
    # Whoever logs in needs no token, and the gateway waits for the whole body.
    head = PREDICT.replace(b"twin/predict", b"auth/login") + CHUNKED + b"Authorization: Bearer a"
    answer = say_in_pieces(gateway, head, b"\r\n\r\n0\r\nA: " + b"a" * 600_000)
    assert statuses(answer) == [b"431"]


def test_what_is_too_long_goes_no_further_behind_another_request_either(gateway: GatewayProcess, recorder: Recorder):
    one = MODELS + gateway.key_line
    answer = gateway.say(one + b"\r\n" + one + b"A: " + b"a" * 40_000 + b"\r\n\r\n")
    assert statuses(answer) == [b"200"]
    assert len(recorder.asked()) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/twin/models/a%2fb", "/api/v1/twin/models/a%5cb", "/api/v1/twin/models/..;/b",
        "/api/v1/twin/models/..%3b/b", "/api/v1/twin/models/%252e%252e", "/api/v1/twin/models/%c0%ae%c0%ae",
        "/api/v1/twin/models/%e0%80%af", "/api/v1/twin/models/%c0%af", "/api/v1//twin/models", "//api/v1/twin/models",
        "/api/v1/twin/models/", "/api/v1/twin/models/.", "/api/v1/twin/models/..", "/api/v1/twin/models/%2e",
        "/api/v1/twin/models/%00", "/api/v1/twin/models/%0d%0aX-A:b", "/api/v1/twin/models/%u002e",
        "/api/v1/twin/models/%2", "/api/v1/twin/models/%zz", "/api/v1/twin/../gateway", "/API/v1/twin/models",
        "/api/v1/twin/models/%ff", "/api/v1/twin/models/\\..\\x", "/api/v1/twin/models/%1f", "/api/v1/twin/models/%7f",
    ],
)  # fmt: skip
def test_a_path_of_two_readings_reaches_nobody(gateway: GatewayProcess, recorder: Recorder, path: str):
    line = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    answer = gateway.say(line + gateway.key_line + b"\r\n")
    assert statuses(answer)[0] in {b"404", b"400", b"422"}
    assert recorder.asked() == []


def test_the_gateway_is_well_after_all_this(gateway: GatewayProcess):
    assert statuses(gateway.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")) == [b"200"]
    assert b"Traceback" not in gateway.log.read_bytes()
