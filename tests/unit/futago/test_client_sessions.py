"""How the client shows who calls: passwords, tokens, codes, API keys and the credentials file."""

import json
from pathlib import Path

import httpx
import pytest

from futago import AuthenticationError, Client, ConnectionFailed, InvalidInput, SecondFactorRequired
from futago.credentials import Credentials, CredentialsMissing
from tests.unit.futago.fake_gateway import POINT, PREDICT, FakeGateway, refuses


def test_one_login_serves_many_calls(client: Client, gateway: FakeGateway):
    client.predict(POINT)
    client.predict(POINT)
    assert gateway.logins == 1


def test_a_token_about_to_expire_is_refreshed_without_another_login(gateway: FakeGateway, client: Client):
    gateway.token_life_s = 0.0
    client.predict(POINT)
    client.predict(POINT)
    assert (gateway.logins, gateway.refreshes) == (1, 1)


def test_a_revoked_token_is_replaced_once_and_the_call_sent_again(gateway: FakeGateway, client: Client):
    client.predict(POINT)
    gateway.valid_tokens.clear()
    assert client.predict(POINT)["prediction"] == 84.9
    assert (gateway.logins, gateway.refreshes) == (1, 1)


def test_a_spent_refresh_token_leads_to_a_new_login(gateway: FakeGateway, client: Client):
    client.predict(POINT)
    gateway.valid_tokens.clear()
    gateway.valid_refresh_tokens.clear()
    assert client.predict(POINT)["prediction"] == 84.9
    assert gateway.logins == 2


def test_a_refresh_whose_answer_is_lost_is_not_sent_again(gateway: FakeGateway, client: Client):
    gateway.token_life_s = 0.0
    client.predict(POINT)
    gateway.lose_refreshes = True
    assert client.predict(POINT)["prediction"] == 84.9
    assert (gateway.logins, gateway.refreshes) == (2, 1)


def test_a_call_refused_with_a_fresh_token_too_is_an_authentication_error(gateway: FakeGateway, client: Client):
    gateway.answer("POST", PREDICT, refuses(401, "auth.invalid_token", "not valid here"))
    with pytest.raises(AuthenticationError, match="not valid here"):
        client.predict(POINT)
    assert len(gateway.sent("POST", PREDICT)) == 2


def test_wrong_credentials_are_named_and_not_tried_again(gateway: FakeGateway):
    client = Client("http://plant.example", "admin", "wrong", transport=gateway.transport())
    with pytest.raises(AuthenticationError, match="user name or the password") as caught:
        client.me()
    assert caught.value.code == "auth.wrong_credentials"
    assert gateway.logins == 1


def test_a_login_takes_the_code_of_a_second_factor(gateway: FakeGateway, client: Client):
    gateway.code = "123456"
    with pytest.raises(SecondFactorRequired) as refused:
        client.login()
    assert isinstance(refused.value, AuthenticationError)
    with pytest.raises(AuthenticationError):
        client.login(code="654321")
    client.login(code="123456")
    assert client.me() == {"user": "admin"}


def test_where_a_code_is_needed_somebody_is_asked_for_it_once(gateway: FakeGateway):
    gateway.code = "123456"
    asked = []

    def ask_code() -> str:
        asked.append("code")
        return "123456"

    with Client("http://plant.example", "admin", "secret", transport=gateway.transport(), ask_code=ask_code) as client:
        assert client.me() == {"user": "admin"}
        client.predict(POINT)
    assert asked == ["code"]
    gateway.code = None
    with Client("http://plant.example", "admin", "secret", transport=gateway.transport(), ask_code=ask_code) as client:
        client.login()
    assert asked == ["code"]


def test_a_code_is_not_sent_again_after_a_lost_answer(gateway: FakeGateway, slept: list[float]):
    codes = []

    def lose(request: httpx.Request) -> httpx.Response:
        codes.append(json.loads(request.content).get("code"))
        raise httpx.ReadError("the answer is lost")

    transport = httpx.MockTransport(lose)
    with Client("http://plant.example", "admin", "secret", transport=transport, sleep=slept.append) as client:
        with pytest.raises(ConnectionFailed):
            client.login(code="123456")
        assert codes == ["123456"]


def test_an_api_key_needs_no_login(gateway: FakeGateway):
    client = Client("http://plant.example", api_key="fk_good", transport=gateway.transport())
    client.predict(POINT)
    assert gateway.logins == 0
    assert gateway.requests[0].headers["X-API-Key"] == "fk_good"


def test_a_refused_api_key_is_not_tried_again(gateway: FakeGateway):
    client = Client("http://plant.example", api_key="fk_bad", transport=gateway.transport())
    with pytest.raises(AuthenticationError):
        client.predict(POINT)
    assert len(gateway.requests) == 1


def test_the_credentials_file_says_where_and_who(gateway: FakeGateway, tmp_path: Path):
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"url": "http://here.example:81", "username": "admin", "password": "secret"}))
    client = Client(credentials=file, transport=gateway.transport())
    client.me()
    assert client.url == "http://here.example:81"
    assert gateway.requests[-1].url.host == "here.example"


def test_a_missing_credentials_file_is_a_sentence(tmp_path: Path):
    with pytest.raises(CredentialsMissing, match="has `futago up` run here"):
        Client(credentials=tmp_path / "none.json")


@pytest.mark.parametrize("content", ["[]", "{", '{"url": "http://x"}', '{"api_key": "k"}'])
def test_a_credentials_file_that_cannot_be_used_is_refused(content: str, tmp_path: Path):
    file = tmp_path / "credentials.json"
    file.write_text(content)
    with pytest.raises(CredentialsMissing):
        Client(credentials=file)


def test_an_address_without_a_scheme_is_refused():
    with pytest.raises(InvalidInput, match="http://"):
        Client("plant.example", "admin", "secret")


def test_a_caller_with_nothing_to_show_is_told_what_to_give(gateway: FakeGateway):
    with pytest.raises(AuthenticationError, match="API key"):
        Client("http://plant.example", transport=gateway.transport()).me()


def test_logging_out_without_a_login_sends_nothing(gateway: FakeGateway, client: Client):
    client.logout()
    assert gateway.requests == []


def test_after_logging_out_the_next_call_logs_in_again(gateway: FakeGateway, client: Client):
    gateway.answer("POST", "/api/v1/auth/logout", lambda _request: httpx.Response(204))
    client.me()
    client.logout()
    client.me()
    assert gateway.logins == 2


def test_the_authority_of_a_certificate_stands_in_the_credentials(tmp_path: Path):
    path = tmp_path / "credentials.json"
    path.write_text(
        json.dumps({"url": "https://localhost:1", "api_key": "k", "ca_file": str(tmp_path / "nowhere.pem")})
    )
    assert Credentials.read(path).ca_file == tmp_path / "nowhere.pem"
    with pytest.raises(InvalidInput, match=r"nowhere\.pem holds no certificate of an authority"):
        Client(credentials=path)


def test_an_authority_is_not_asked_for_where_there_is_no_tls(tmp_path: Path):
    with Client("http://127.0.0.1:1", api_key="k", ca_file=tmp_path / "nowhere.pem") as client:
        assert client.url == "http://127.0.0.1:1"
