"""The password form of OAuth 2, where a plant does without it."""

import httpx

from services.gateway.app import create_app
from services.gateway.bootstrap import FirstAdmin
from services.gateway.settings import GatewaySettings
from tests.integration.gateway.conftest import running

PATH = "/api/v1/auth/token"


async def log_in(client: httpx.AsyncClient, password: str) -> tuple[httpx.Response, httpx.Response]:
    form = {"username": "admin", "password": password, "grant_type": "password"}
    by_form = await client.post(PATH, data=form)
    return by_form, await client.post("/api/v1/auth/login", json={"username": "admin", "password": password})


async def test_switched_off_no_password_is_taken_by_the_form_and_no_document_offers_it(
    settings: GatewaySettings, admin: FirstAdmin
):
    async with running(create_app(settings.model_copy(update={"password_grant": False}))) as client:
        by_form, by_body = await log_in(client, admin.password)
        assert (by_form.status_code, by_form.json()["code"]) == (403, "auth.password_form_off")
        assert "access_token" not in by_form.json()
        assert by_body.status_code == 200
        # Right or wrong, nothing is told about a password.
        wrong, _ = await log_in(client, "wrong")
        assert wrong.json().keys() == by_form.json().keys()
        assert wrong.json()["detail"] == by_form.json()["detail"]
        document = (await client.get("/openapi.json")).json()
    assert PATH not in document["paths"]
    assert PATH not in str(document)
    schemes = document["components"]["securitySchemes"]
    assert {scheme["type"] for scheme in schemes.values()} == {"http", "apiKey"}
    assert document["security"] == [{name: []} for name in schemes]
