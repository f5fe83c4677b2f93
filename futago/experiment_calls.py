"""The client's part for a model in operation: compare its versions on live requests, and watch what it predicts."""

from collections.abc import Mapping, Sequence

from futago.connection import Connection, path_part
from futago.wire import JsonObject


class ExperimentCalls:
    """What `Client` asks of experiments and alert rules."""

    _api: Connection

    def start_experiment(
        self,
        model: str,
        variants: Sequence[Mapping[str, object]],
        *,
        sticky: str = "key",
        shadow: Sequence[Mapping[str, object]] = (),
    ) -> JsonObject:
        """Let versions of a model share its requests; with other weights, go on with what was counted.

        Parameters
        ----------
        variants
            Each with `name`, `version` and, for other shares than equal ones, `weight`; the others are compared with
            the first.
        sticky
            `key`: the same asset or `sticky_key` is always answered by the same variant; `request`: chance.
        shadow
            Each with `name` and `version`: answers that are compared and never returned.

        Raises
        ------
        NotFound
            If there is no such model or version.
        """
        body = {"variants": variants, "sticky": sticky, "shadow": shadow}
        return self._api.put(_experiment(model), body)

    def experiment(self, model: str) -> JsonObject:
        """What each variant answered, how far it was off on what was measured, and whether one is better.

        Raises
        ------
        NotFound
            If no experiment runs on the model.
        """
        return self._api.get(_experiment(model))

    def end_experiment(self, model: str) -> None:
        """End the experiment on a model: its active version answers."""
        self._api.delete(_experiment(model))

    def promote(self, model: str, variant: str) -> JsonObject:
        """Make a variant's version the active one and end the experiment; answers with the card of the version."""
        return self._api.command(f"{_experiment(model)}/promote", {"variant": variant})

    def alert_rules(self, model: str) -> JsonObject:
        """What the predictions of a model should do."""
        return self._api.get(_alert_rules(model))

    def set_alert_rules(self, model: str, rules: Mapping[str, object]) -> JsonObject:
        """Replace the alert rules of a model.

        Parameters
        ----------
        rules
            `minimum`, `maximum`, `hysteresis`, `rate_limit_per_min`, `cooldown_s`, `severity`; what is left out is off
            or has its default.
        """
        return self._api.put(_alert_rules(model), rules)


def _experiment(model: str) -> str:
    return f"/api/v1/twin/models/{path_part(model)}/experiment"


def _alert_rules(model: str) -> str:
    return f"/api/v1/twin/models/{path_part(model)}/alert-rules"
