"""Whose bundles are accepted: list, enrol and remove public keys."""

from typing import Annotated

from fastapi import APIRouter, Path

from services.twin.domain.trust import TrustedKeyInFolder, TrustedKeyMissing, TrustedKeys
from services.twin.schemas.trusted_keys import EnrolmentRequest, TrustedKeyResponse, TrustedKeysResponse
from shared.http.dependencies import NotAllowed, require, use
from shared.http.problems import responses
from shared.onnx.signing import KeyUnusable
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/twin", tags=["trusted keys"])

KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$")]
Keys = Annotated[TrustedKeys, use(TrustedKeys)]
Administrator = Annotated[Principal, require(Permission.MANAGE_KEYS)]


@router.get("/trusted-keys", responses=responses(NotAllowed))
async def list_keys(keys: Keys, _caller: Administrator) -> TrustedKeysResponse:
    """Every key whose bundles are accepted."""
    return TrustedKeysResponse.of(await keys.list())


@router.post("/trusted-keys", status_code=201, responses=responses(KeyUnusable, NotAllowed))
async def enrol(body: EnrolmentRequest, keys: Keys, caller: Administrator) -> TrustedKeyResponse:
    """Accept bundles that this key signed, on every replica; enrolling it again changes nothing."""
    return TrustedKeyResponse.of(await keys.enrol(body.public_key, user=caller.subject))


@router.delete(
    "/trusted-keys/{key_id}",
    status_code=204,
    responses=responses(TrustedKeyMissing, TrustedKeyInFolder, NotAllowed),
)
async def remove(key_id: KeyId, keys: Keys, caller: Administrator) -> None:
    """Accept no bundle of this key any more; a version that is loaded goes on until it has to be loaded again."""
    await keys.remove(key_id, user=caller.subject)
