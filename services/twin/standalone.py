"""A twin on its own: one bundle, no gateway, no database, no Redis; an edge box runs it.

python -m services.twin.standalone --bundle DIR [--host 127.0.0.1] [--port 8000]
"""

import argparse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from services.twin.adapters.alert_log import publish_to_log
from services.twin.adapters.alert_outbox import AlertOutbox
from services.twin.adapters.alert_sender import AlertSender
from services.twin.adapters.local_records import LocalRecords
from services.twin.adapters.model_info import ModelInfo
from services.twin.adapters.onnx_model import ServedModel, load_model
from services.twin.adapters.prediction_metrics import PredictionMetrics
from services.twin.adapters.single_model import SingleModel
from services.twin.adapters.work_pool import BoundedPool
from services.twin.domain.alerting import AlertRuleStore
from services.twin.domain.caching import NoCache
from services.twin.domain.observing import Observer
from services.twin.domain.own_answers import OwnAnswers
from services.twin.domain.predictor import Predictor
from services.twin.domain.registry import ModelRegistry
from services.twin.domain.rescue import Rescue
from services.twin.domain.serving import NoShadows, NoVariants
from services.twin.domain.shadows import Shadows
from services.twin.domain.stuck import StuckSensors
from services.twin.routes import alert_rules, models, observations, open_inference, predictions, standalone
from services.twin.routes.local_door import LocalDoor
from services.twin.routes.open_inference import UnpackedLimit
from services.twin.routes.standalone import Station
from services.twin.settings import StandaloneSettings
from shared.clock import Clock, SystemClock
from shared.errors import AppError
from shared.http.app import OPEN_PATHS, ServiceApp, build_app
from shared.http.metrics import ServiceMetrics
from shared.http.server import serve
from shared.onnx.bundle import open_bundle
from shared.onnx.errors import BundleUntrustedKey
from shared.onnx.settings import KeySettings
from shared.onnx.signing import TrustStore
from shared.settings import SettingsFault
from shared.startup import CannotStart, refuse_to_start, run_checks, secret_file, writable_folder

SHORTEST_KEY = 16


def create_app(settings: StandaloneSettings, clock: Clock | None = None) -> ServiceApp:
    """Assemble the twin.

    Raises
    ------
    CannotStart
        If the bundle is not what a trusted key signed, or other machines could connect without a key.
    """
    clock = clock or SystemClock()
    api_key = _api_key(settings)
    if api_key is None and not _is_loopback(settings.host):
        raise CannotStart(
            [f"other machines could connect to {settings.host}: give an API key (--api-key-file, TWIN_API_KEY)"]
        )
    model = _load(settings)
    registry = SingleModel(model)
    metrics = ServiceMetrics(settings.service)
    pool = BoundedPool(
        threads=settings.compute_threads, waiting_limit=settings.compute_waiting_limit, metrics=metrics.registry
    )
    meter = PredictionMetrics(metrics.registry, metrics.bounds)
    metrics.registry.register(ModelInfo(lambda: [(model.name, model.version)], limit=1))
    live = _live(settings, model, clock, metrics)
    observer = Observer(
        models=registry,
        versions=registry,
        records=live,
        pool=pool,
        clock=clock,
        limit_rows=settings.observation_limit_rows,
    )
    outbox = AlertOutbox(publish_to_log, metrics.registry)
    answers = OwnAnswers(pool=pool, cache=NoCache(), corrections=live)
    predictor = Predictor(
        models=registry,
        answers=answers,
        variants=NoVariants(),
        shadows=Shadows(models=registry, answers=answers, watch=NoShadows()),
        rescue=Rescue(meter, clock),
        stuck_sensors=StuckSensors(settings.stuck_after_readings),
        meter=meter,
        watches=[AlertSender(outbox, registry, clock), meter],
        clock=clock,
        batch_limit_rows=settings.batch_limit_rows,
    )

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await outbox.close()
            pool.close()

    return build_app(
        settings=settings,
        title="Futago twin on its own",
        routers=[
            standalone.router,
            predictions.router,
            models.router,
            alert_rules.router,
            observations.router,
            open_inference.router,
        ],
        objects=[
            (Predictor, predictor),
            (ModelRegistry, registry),
            (AlertRuleStore, registry),
            (Observer, observer),
            (Station, Station(registry.version, metrics, clock, clock.monotonic_s())),
            (UnpackedLimit, UnpackedLimit(settings.body_limit_bytes)),
        ],
        identity=None,
        metrics=metrics,
        probes={"compute": pool.check},
        lifespan=lifespan,
        upload_paths=[models.UPLOAD_PATH],
        unpacking_prefix=f"{open_inference.PREFIX}/",
        direct=predictions.direct_handlers(predictor) | standalone.direct_handlers(predictor),
        wrap=partial(LocalDoor, api_key=api_key, open_paths=OPEN_PATHS | {standalone.HEALTH_PATH}),
    )


def run(told: Mapping[str, object]) -> None:
    """Serve until told to stop; exits 78 and says why where it cannot start.

    Parameters
    ----------
    told
        Settings of the command line, by name; what is left out or `None` comes from the environment.
    """
    given = {name: value for name, value in told.items() if value is not None}
    try:
        settings = StandaloneSettings.load(None, given)
    except SettingsFault as error:
        refuse_to_start("twin", error.reasons)
    serve(settings, create_app)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="A Futago twin on its own.")
    parser.add_argument("--bundle", type=Path, help="the bundle folder to serve")
    parser.add_argument("--host", help="address to listen on; 127.0.0.1 unless given")
    parser.add_argument("--port", type=int, help="port to listen on; 8000 unless given")
    parser.add_argument("--trust", type=Path, dest="trust_dir", help="folder of the public keys that are trusted")
    parser.add_argument("--api-key-file", type=Path, help="file with the key that callers send as X-API-Key")
    parser.add_argument("--state", type=Path, dest="state_file", help="file that keeps what observations have taught")
    run(vars(parser.parse_args()))


def _api_key(settings: StandaloneSettings) -> str | None:
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    if settings.api_key_file is None:
        return None
    run_checks([secret_file(settings.api_key_file, "the API key")])
    key = settings.api_key_file.read_text(encoding="utf-8").strip()
    if len(key) < SHORTEST_KEY:
        raise CannotStart([f"the API key: {settings.api_key_file} holds less than {SHORTEST_KEY} characters"])
    return key


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _live(settings: StandaloneSettings, model: ServedModel, clock: Clock, metrics: ServiceMetrics) -> LocalRecords:
    if settings.state_file is not None:
        # Better said at the start than with the first observation.
        run_checks([writable_folder(settings.state_file.absolute().parent, "the folder of the state file")])
    try:
        return LocalRecords(model, settings.state_file, clock, metrics.registry)
    except AppError as error:
        raise CannotStart([f"state_file: {error.message}"]) from error


def _load(settings: StandaloneSettings) -> ServedModel:
    trust = KeySettings().trust() if settings.trust_dir is None else TrustStore(settings.trust_dir)
    try:
        return load_model(open_bundle(settings.bundle, trust))
    except BundleUntrustedKey as error:
        hint = "`futago trust add KEY.pem` enrols its public key, --trust names another folder of keys"
        raise CannotStart([f"{settings.bundle}: {error.message}; {hint}"]) from error
    except AppError as error:
        raise CannotStart([f"{settings.bundle} cannot be served: {error.message}"]) from error


if __name__ == "__main__":
    main()
