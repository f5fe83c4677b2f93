import itertools
from typing import Any

import pytest

from shared.internal_token import LIFE_S, IdentityVerifier, InternalTokenSigner
from shared.jwt import InvalidToken, TokenSigner
from shared.principal import ROLE_PERMISSIONS, Permission, Principal, Role


@pytest.fixture
def signer(key_pair: Any, clock: Any) -> InternalTokenSigner:
    return InternalTokenSigner(TokenSigner(key_pair.private), clock)


@pytest.fixture
def verifier(key_pair: Any, clock: Any) -> IdentityVerifier:
    return IdentityVerifier([key_pair.public], audience="twin", clock=clock)


def principal(name: str = "anna") -> Principal:
    return Principal(name, Role.OPERATOR, ROLE_PERMISSIONS[Role.OPERATOR], ("acme.osaka",), "api_key")


def test_the_caller_arrives_as_it_was_sent(signer: InternalTokenSigner, verifier: IdentityVerifier):
    assert verifier.verify(signer.sign(principal(), "twin")) == principal()


def test_a_token_opens_only_the_service_it_names(signer: InternalTokenSigner, verifier: IdentityVerifier):
    with pytest.raises(InvalidToken):
        verifier.verify(signer.sign(principal(), "planner"))


def test_a_verified_token_is_still_refused_once_it_has_expired(
    signer: InternalTokenSigner, verifier: IdentityVerifier, clock: Any
):
    token = signer.sign(principal(), "twin")
    verifier.verify(token)
    clock.step(LIFE_S + 1)
    with pytest.raises(InvalidToken):
        verifier.verify(token)


def test_a_token_is_reused_for_half_its_life_and_never_for_another_caller(signer: InternalTokenSigner, clock: Any):
    first = signer.sign(principal(), "twin")
    assert signer.sign(principal(), "twin") == first
    assert signer.sign(principal("berta"), "twin") != first
    clock.step(LIFE_S / 2)
    assert signer.sign(principal(), "twin") != first


def test_a_role_or_permission_we_do_not_know_is_refused(verifier: IdentityVerifier, key_pair: Any, clock: Any):
    now_s = int(clock.now_s)
    claims = {"iss": "futago-gateway", "aud": "twin", "sub": "anna", "iat": now_s, "exp": now_s + 60}
    strange = claims | {"role": "owner", "permissions": [], "assets": [], "method": "password"}
    with pytest.raises(InvalidToken):
        verifier.verify(TokenSigner(key_pair.private).sign(strange))


@pytest.mark.parametrize(
    ("assets", "asked", "reached"),
    [
        ((), None, True),
        ((), "acme.osaka", True),
        (("acme.osaka",), "acme.osaka", True),
        (("acme.osaka",), "acme.osaka.reactor.r101", True),
        (("acme.osaka",), "acme.osakana", False),
        (("acme.osaka",), "acme", False),
        (("acme.osaka",), None, False),
    ],
)
def test_a_limited_caller_reaches_its_subtrees_only(assets: tuple[str, ...], asked: str | None, *, reached: bool):
    assert Principal("anna", Role.VIEWER, frozenset({Permission.READ}), assets).may_reach(asked) is reached


def test_each_role_may_do_all_that_the_one_below_may():
    permissions = [ROLE_PERMISSIONS[role] for role in (Role.VIEWER, Role.OPERATOR, Role.ENGINEER, Role.ADMIN)]
    assert all(lower < higher for lower, higher in itertools.pairwise(permissions))
