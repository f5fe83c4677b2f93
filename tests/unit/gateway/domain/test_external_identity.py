"""What the claims of an identity provider mean here."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.gateway.domain.errors import NotEntitled, TokenRejected
from services.gateway.domain.external_identity import TokenUse, identity_id, read_claims
from shared.principal import ROLE_PERMISSIONS, Role
from tests.unit.gateway.oidc import NOW_S, PROVIDER, claims

ID_TOKENS = replace(PROVIDER, token_use=TokenUse.ID_TOKEN)
WITH_ASSETS = replace(PROVIDER, assets_claim=("assets",))
JWT = {"typ": "JWT"}


def test_an_identity_is_the_providers_name_and_its_subject():
    vouched = read_claims(PROVIDER, JWT, claims())
    caller = vouched.principal()
    assert (caller.subject, caller.role, caller.method) == ("sso:f81d4fae-7dec", Role.OPERATOR, "external")
    assert caller.permissions == ROLE_PERMISSIONS[Role.OPERATOR]
    assert vouched.display_name == "Olga"
    assert vouched.expires_at == datetime.fromtimestamp(NOW_S + 300, UTC)


def test_a_name_says_nothing_about_who_somebody_is():
    first = read_claims(PROVIDER, JWT, claims())
    renamed = read_claims(PROVIDER, JWT, claims(preferred_username="root"))
    assert first.principal() == renamed.principal()


def test_no_two_subjects_share_an_id():
    pairs = [("sso", "1"), ("sso", "11"), ("sso1", "1"), ("sso", "2")]
    assert len({identity_id(*pair) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["futago-watch"], Role.VIEWER),
        (["futago-own", "futago-watch"], Role.ADMIN),
        (["futago-watch", "futago-run", "other"], Role.OPERATOR),
        ("futago-run", Role.OPERATOR),
        ([1, None, "futago-watch"], Role.VIEWER),
    ],
)
def test_the_highest_role_of_several_groups_counts(groups: object, role: Role):
    assert read_claims(PROVIDER, JWT, claims(realm_access={"roles": groups})).role is role


@pytest.mark.parametrize(
    "access",
    [
        {},
        {"roles": []},
        {"roles": ["FUTAGO-RUN", "futago-run ", "admin"]},
        {"roles": {"futago-run": True}},
        {"roles": "futago-run futago-own"},
        [],
        "futago-run",
        None,
    ],
)
def test_who_has_no_role_here_is_refused(access: object):
    with pytest.raises(NotEntitled):
        read_claims(PROVIDER, JWT, claims(realm_access=access))


def test_a_claim_whose_name_has_dots_is_found_by_its_whole_name():
    provider = replace(PROVIDER, role_claim=("https://plant.example/roles",))
    assert read_claims(provider, JWT, claims(**{"https://plant.example/roles": ["futago-own"]})).role is Role.ADMIN


@pytest.mark.parametrize(
    ("assets", "reach"),
    [
        (["acme.osaka", "acme.tokyo", "acme.osaka"], ("acme.osaka", "acme.tokyo")),
        ("acme", ("acme",)),
        ("*", ()),
        (["acme", "*"], ()),
    ],
)
def test_assets_come_from_their_claim(assets: object, reach: tuple[str, ...]):
    assert read_claims(WITH_ASSETS, JWT, claims(assets=assets)).assets == reach


@pytest.mark.parametrize("assets", [None, [], "", [""], ["acme..x"], ["acme", "a b"], ["."], 7, [7], ["x" * 256]])
def test_a_claim_without_assets_does_not_open_all_of_them(assets: object):
    with pytest.raises(NotEntitled):
        read_claims(WITH_ASSETS, JWT, claims(assets=assets))


@pytest.mark.parametrize("subject", ["", None, 7, ["x"], "Ärger", "a\nb", "a\x00b", "x" * 252, "\x7f"])
def test_a_subject_is_a_printable_text_that_fits(subject: object):
    with pytest.raises(TokenRejected):
        read_claims(PROVIDER, JWT, claims(sub=subject))


def test_the_longest_subject_fits():
    assert len(read_claims(PROVIDER, JWT, claims(sub="x" * 251)).principal().subject) == 255


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        ({"typ": "at+jwt"}, {}),
        ({"typ": "application/at+JWT"}, {"nonce": "n"}),
        (JWT, {}),
        ({}, {}),
        (JWT, {"typ": "Bearer", "nonce": "older releases of Keycloak put it here too"}),
    ],
)
def test_access_tokens_are_taken(header: dict[str, object], changes: dict[str, object]):
    assert read_claims(PROVIDER, header, claims(**changes)).role is Role.OPERATOR


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        (JWT, {"nonce": "n"}),
        (JWT, {"at_hash": "x"}),
        ({"typ": "at+jwt"}, {"c_hash": "x"}),
        (JWT, {"typ": "ID"}),
        (JWT, {"typ": "Refresh"}),
        ({"typ": "at+jwt"}, {"typ": "ID"}),
        ({"typ": "logout+jwt"}, {}),
        ({"typ": "dpop+jwt"}, {"typ": "Bearer"}),
        ({"typ": 1}, {}),
        (JWT, {"typ": ["Bearer"]}),
        (JWT, {"cnf": {"jkt": "bound to a key that a bearer does not prove"}}),
    ],
)
def test_other_tokens_of_the_same_provider_are_no_access_tokens(header: dict[str, object], changes: dict[str, object]):
    with pytest.raises(TokenRejected):
        read_claims(PROVIDER, header, claims(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nonce": "n", "at_hash": "x"},
        {"typ": "ID", "azp": "futago"},
        {"aud": ["futago"]},
        {"aud": ["futago", "other"], "azp": "futago"},
    ],
)
def test_id_tokens_are_taken_where_they_are_what_is_sent(changes: dict[str, object]):
    assert read_claims(ID_TOKENS, JWT, claims(**changes)).role is Role.OPERATOR


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        (JWT, {"typ": "Bearer"}),
        ({"typ": "at+jwt"}, {}),
        (JWT, {"azp": "other"}),
        (JWT, {"aud": ["futago", "other"]}),
        (JWT, {"aud": ["futago", "other"], "azp": "other"}),
    ],
)
def test_an_id_token_made_for_somebody_else_is_refused(header: dict[str, object], changes: dict[str, object]):
    with pytest.raises(TokenRejected):
        read_claims(ID_TOKENS, header, claims(**changes))


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({"azp": "console"}, True),
        ({"azp": ["console", "x"]}, True),
        ({"azp": "other"}, False),
        ({}, False),
        ({"azp": {"console": True}}, False),
    ],
)
def test_a_required_claim_has_one_of_the_values_that_are_allowed(changes: dict[str, object], *, taken: bool):
    provider = replace(PROVIDER, required={("azp",): frozenset({"console", "historian"})})
    if taken:
        assert read_claims(provider, JWT, claims(**changes)).subject
    else:
        with pytest.raises(TokenRejected):
            read_claims(provider, JWT, claims(**changes))


@pytest.mark.parametrize(
    ("name", "shown"), [("Olga\r\n\x1b[2J", "Olga[2J"), (7, ""), (None, ""), ("x" * 999, "x" * 255)]
)
def test_a_display_name_cannot_write_on_a_terminal(name: object, shown: str):
    assert read_claims(PROVIDER, JWT, claims(preferred_username=name)).display_name == shown
