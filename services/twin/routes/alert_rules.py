"""What a model's predictions should do: stay in a range, change no faster than a limit."""

from typing import Annotated

from fastapi import APIRouter, Path

from services.twin.domain.alert_rules import AlertRulesInvalid
from services.twin.domain.alerting import AlertRuleStore
from services.twin.domain.registry import ModelMissing
from services.twin.schemas.alert_rules import AlertRulesBody
from services.twin.schemas.base import NAME_PATTERN
from shared.http.dependencies import NotAllowed, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/twin", tags=["alert rules"])

Name = Annotated[str, Path(pattern=NAME_PATTERN)]
Rules = Annotated[AlertRuleStore, use(AlertRuleStore)]


@router.get("/models/{model}/alert-rules", responses=responses(ModelMissing, NotAllowed))
async def read_rules(
    model: Name, rules: Rules, _caller: Annotated[Principal, require(Permission.READ)]
) -> AlertRulesBody:
    """The rules of a model; without bounds nothing alerts."""
    return AlertRulesBody.of(await rules.get_rules(model))


@router.put("/models/{model}/alert-rules", responses=responses(ModelMissing, AlertRulesInvalid, NotAllowed))
async def replace_rules(
    model: Name,
    body: AlertRulesBody,
    rules: Rules,
    _caller: Annotated[Principal, require(Permission.SET_THRESHOLD)],
) -> AlertRulesBody:
    """Replace the rules of a model; every replica follows within two seconds."""
    replaced = body.to_rules()
    await rules.put_rules(model, replaced)
    return AlertRulesBody.of(replaced)
