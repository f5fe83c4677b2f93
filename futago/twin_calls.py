"""The twin's part of the client: predict, observe, and manage models and the keys they are signed with."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

from futago.answers import Batch, Prediction
from futago.bundle import read_bundle
from futago.connection import Connection, path_part
from futago.wire import JsonObject


class TwinCalls:
    """What `Client` asks of the twin."""

    _api: Connection

    def predict(
        self,
        inputs: Mapping[str, object],
        model: str | None = None,
        asset: str | None = None,
        level: float | None = None,
        *,
        sticky_key: str | None = None,
    ) -> Prediction:
        """Predict one value with its interval.

        Parameters
        ----------
        inputs
            Value of each feature of the model, in the unit its card names.
        model
            Left out, the suite's default model.
        level
            Probability of the interval, in (0, 1).
        sticky_key
            While an experiment runs, the same key is answered by the same variant; left out, the asset is the key.

        Raises
        ------
        InvalidInput
            With one fault for each feature that is missing, unknown or out of range.
        """
        params = {"model": model, "asset": asset, "level": level, "sticky_key": sticky_key}
        return cast("Prediction", self._api.ask("/api/v1/twin/predict", inputs, params))

    def batch(self, inputs: Sequence[Mapping[str, object]], model: str | None = None) -> Batch:
        """Predict many values at once, in order; an input that is wrong fails alone.

        Raises
        ------
        TooLarge
            If there are more inputs than the suite takes in one call (100 unless set otherwise).
        """
        return cast("Batch", self._api.ask("/api/v1/twin/batch", {"inputs": inputs}, {"model": model}))

    def batch_predict(self, inputs: Sequence[Mapping[str, object]]) -> Batch:
        """`batch` under the name that clients of the original specification call it by."""
        return self.batch(inputs)

    def observe(
        self,
        inputs: Mapping[str, object],
        actual: float,
        timestamp: datetime | str | None = None,
        model: str | None = None,
        asset: str | None = None,
        *,
        version: str | None = None,
    ) -> JsonObject:
        """Tell what was measured for these inputs: residual, and whether the interval held it.

        With a timestamp, the same observation sent again changes nothing; without one it is taken as measured now.

        Parameters
        ----------
        timestamp
            When it was measured: aware, or RFC 3339.
        version
            Which version's prediction it is compared with; left out, the active one.
        """
        optional = {"timestamp": timestamp, "model": model, "asset": asset, "version": version}
        body: JsonObject = {"inputs": inputs, "actual": actual}
        body |= {name: value for name, value in optional.items() if value is not None}
        if timestamp is None:
            return self._api.command("/api/v1/twin/observations", body)
        return self._api.ask("/api/v1/twin/observations", body)

    def observe_many(self, observations: Sequence[Mapping[str, object]]) -> JsonObject:
        """Tell many measured values at once: mappings with the arguments of `observe`; a wrong one fails alone."""
        return self._api.command("/api/v1/twin/observations", {"observations": observations})

    def quality(self, model: str, version: str | None = None) -> JsonObject:
        """Rolling coverage and errors of a version on what was measured, beside what its card promises."""
        return self._api.get(f"/api/v1/twin/models/{path_part(model)}/quality", {"version": version})

    def models(self) -> list[JsonObject]:
        """The cards of all published models."""
        return self._api.items("/api/v1/twin/models")

    def model(self, name: str) -> JsonObject:
        """The card of one model: features with units and ranges, metrics, interval, versions."""
        return self._api.get(f"/api/v1/twin/models/{path_part(name)}")

    def publish(self, bundle: Path | str) -> JsonObject:
        """Send a model bundle: a folder made by packaging, or a zip of one."""
        name, content = read_bundle(Path(bundle))
        return self._api.upload("/api/v1/twin/models", "bundle", name, content)

    def activate(self, name: str, version: str) -> JsonObject:
        """Serve this version of a model from now on."""
        return self._api.command(f"/api/v1/twin/models/{path_part(name)}/activate", {"version": version})

    def rollback(self, name: str) -> JsonObject:
        """Serve the version that answered before the active one; called twice, it changes back.

        Raises
        ------
        Conflict
            If there is none.
        """
        return self._api.command(f"/api/v1/twin/models/{path_part(name)}/activate", {"previous": True})

    def withdraw(self, name: str, version: str) -> None:
        """Take a version away; the active one only if the model has no other, and then the model goes with it."""
        self._api.delete(f"/api/v1/twin/models/{path_part(name)}/versions/{path_part(version)}")

    def trusted_keys(self) -> list[JsonObject]:
        """The public keys whose bundles the suite accepts."""
        return self._api.items("/api/v1/twin/trusted-keys")

    def trust(self, public_key: str) -> JsonObject:
        """Accept bundles that this Ed25519 key (PEM) signed."""
        return self._api.command("/api/v1/twin/trusted-keys", {"public_key": public_key})

    def distrust(self, key_id: str) -> None:
        """Accept no bundle of this key any more; versions that are loaded go on until they have to be loaded again."""
        self._api.delete(f"/api/v1/twin/trusted-keys/{path_part(key_id)}")
