"""The suite's keys."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from futago.launcher.home import Home
from futago.launcher.keys import KeyFiles, make_keys
from shared.onnx.signing import SigningKey, TrustStore


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.make_folders()
    return home


@pytest.fixture
def keys(home: Home) -> KeyFiles:
    return make_keys(home)


def test_private_keys_are_their_owners_alone(keys: KeyFiles):
    for path in (keys.access, keys.identity, keys.signing):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_token_keys_are_p256_and_each_public_file_belongs_to_its_private_one(keys: KeyFiles):
    for private_path, public_path in ((keys.access, keys.access_public), (keys.identity, keys.identity_public)):
        private = load_pem_private_key(private_path.read_bytes(), None)
        public = load_pem_public_key(public_path.read_bytes())
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        assert isinstance(private.curve, ec.SECP256R1)
        assert private.public_key() == public


def test_the_gateway_cannot_mix_up_its_two_keys(keys: KeyFiles):
    assert keys.access.read_bytes() != keys.identity.read_bytes()


def test_bundles_signed_here_are_trusted_here(home: Home, keys: KeyFiles):
    assert SigningKey.load_or_create(keys.signing).key_id in TrustStore(home.trust).key_ids()


def test_a_second_start_keeps_the_keys(home: Home, keys: KeyFiles):
    before = {path: path.read_bytes() for path in home.keys.iterdir()}
    assert make_keys(home) == keys
    assert {path: path.read_bytes() for path in home.keys.iterdir()} == before


def test_a_pair_that_lost_its_public_half_is_made_anew(home: Home, keys: KeyFiles):
    keys.identity_public.unlink()
    make_keys(home)
    private = load_pem_private_key(keys.identity.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.public_key() == load_pem_public_key(keys.identity_public.read_bytes())


def test_a_home_of_an_older_release_gets_what_encrypts_second_factors(home: Home, keys: KeyFiles):
    keys.second_factor.unlink()
    made = make_keys(home).second_factor
    assert len(bytes.fromhex(made.read_text(encoding="ascii"))) == 32
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
