from pathlib import Path

import numpy as np
import pytest

from services.anomaly.domain.blocks import TooFewRows
from services.anomaly.domain.images import ImageShape, ImagesRefused, as_images, image_scaling, read_images
from services.anomaly.domain.options.images import ImageAutoencoderOptions
from services.anomaly.domain.options.kinds import KindUnknown
from services.anomaly.domain.options.reading import OptionsRefused, parse_image_options
from services.anomaly.library import Detector
from shared.onnx.signing import SigningKey, TrustStore

HEIGHT, WIDTH = 12, 17
QUICK = {"filters": 4, "latent": 4, "epochs": 6}


def stripes(count: int, seed: int, channels: int | None = None) -> np.ndarray:
    """Grey pictures of stripes that move, as a camera gives them."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0.0, 6.28, size=(count, 1, 1))
    pattern = np.sin(np.arange(WIDTH) / 2.0 + phase) + np.zeros((count, HEIGHT, 1))
    picture = 128.0 + 60.0 * pattern + rng.normal(size=pattern.shape) * 5.0
    pictures = np.clip(picture, 0, 255).astype(np.uint8)
    return pictures if channels is None else np.repeat(pictures[..., None], channels, axis=3)


def scratched(pictures: np.ndarray) -> np.ndarray:
    spoiled = pictures.copy()
    spoiled[:, 3:6, 10:13] = 255 - spoiled[:, 3:6, 10:13]
    spoiled[:, 4, 9:14] = 0
    return spoiled


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector("conv_autoencoder", **QUICK).fit(stripes(300, seed=0))


def test_every_image_has_a_score_and_normal_ones_are_left_alone(detector: Detector):
    detection = detector.detect(stripes(100, seed=1))
    assert np.isfinite(detection.scores).all()
    assert detection.labels.mean() < 0.05


def test_scratch_is_found_and_the_heat_map_shows_where(detector: Detector):
    detection = detector.detect(scratched(stripes(20, seed=2)))
    assert detection.labels.all()
    assert detection.contributions.shape == (20, HEIGHT, WIDTH)
    hottest = detection.contributions.mean(axis=0)
    assert hottest[4, 9:14].mean() > 5.0 * np.median(hottest)


def test_contributions_are_not_negative_and_sum_to_the_score(detector: Detector):
    detection = detector.detect(stripes(10, seed=3))
    assert (detection.contributions >= 0.0).all()
    np.testing.assert_allclose(detection.contributions.sum(axis=(1, 2)), detection.scores, rtol=1e-12)


def test_image_is_scored_alike_whatever_comes_before_it(detector: Detector):
    pictures = stripes(9, seed=4)
    together = detector.detect(pictures).scores
    alone = [detector.detect(picture[None]).scores[0] for picture in pictures]
    np.testing.assert_allclose(alone, together, rtol=1e-5)


def test_floats_are_scored_as_the_bytes_they_stand_for(detector: Detector):
    pictures = stripes(5, seed=5)
    np.testing.assert_array_equal(detector.detect(pictures.astype(float)).scores, detector.detect(pictures).scores)


def test_rows_of_pixels_are_scored_as_the_images_they_are(detector: Detector):
    pictures = stripes(5, seed=5)
    rows = detector.detect(pictures.reshape(5, -1).astype(float))
    np.testing.assert_array_equal(rows.scores, detector.detect(pictures).scores)
    assert rows.contributions.shape == (5, HEIGHT * WIDTH)


def test_saved_detector_scores_as_the_one_in_memory(detector: Detector, tmp_path: Path):
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    trust = TrustStore(tmp_path / "trust")
    trust.enrol(key.public_pem())
    detector.save(tmp_path / "bundle", name="camera", version="1", key=key)
    loaded = Detector.load(tmp_path / "bundle", trust)
    own, other = detector.detect(stripes(5, seed=6)), loaded.detect(stripes(5, seed=6))
    np.testing.assert_array_equal(own.scores, other.scores)
    np.testing.assert_array_equal(own.contributions, other.contributions)
    assert loaded.card["image_shape"] == [HEIGHT, WIDTH, 1]


def test_auto_chooses_convolutions_for_images_and_says_why():
    card = Detector("auto", epochs=1).fit(stripes(60, seed=0, channels=3)).card
    assert card["kind"] == "conv_autoencoder"
    assert "images" in str(card["reason"])
    assert card["image_shape"] == [HEIGHT, WIDTH, 3]


def test_heat_map_of_colour_images_tells_the_channels_apart():
    camera = Detector("conv_autoencoder", **QUICK).fit(stripes(300, seed=0, channels=3))
    spoiled = stripes(10, seed=1, channels=3)
    spoiled[:, 5:8, 5:8, 1] = 255 - spoiled[:, 5:8, 5:8, 1]
    heat = camera.detect(spoiled).contributions
    assert heat.shape == (10, HEIGHT, WIDTH, 3)
    assert int(np.argmax(heat[:, 5:8, 5:8].mean(axis=(0, 1, 2)))) == 1


def test_too_few_images_are_refused_with_the_number_that_works():
    with pytest.raises(TooFewRows) as refusal:
        Detector("conv_autoencoder", **QUICK).fit(stripes(3, seed=0))
    assert refusal.value.facts["needed"] > 3


def test_images_of_another_size_are_refused(detector: Detector):
    with pytest.raises(ImagesRefused):
        detector.detect(stripes(3, seed=0)[:, :, :-1])


def test_images_are_refused_where_rows_were_learned():
    rows = np.random.default_rng(0).normal(size=(400, 64))
    with pytest.raises(ImagesRefused):
        Detector("mahalanobis").fit(rows).detect(np.zeros((3, 8, 8)))


@pytest.mark.parametrize("settings", [{"columns": ["a"]}, {"timestamps": np.arange(60).astype("datetime64[s]")}])
def test_names_and_times_are_refused_with_images(settings: dict[str, object]):
    with pytest.raises(ImagesRefused):
        Detector().fit(stripes(60, seed=0), **settings)


@pytest.mark.parametrize("kind", ["mahalanobis", "lstm_autoencoder", "fanogan"])
def test_kind_that_takes_no_images_is_refused_with_those_that_do(kind: str):
    with pytest.raises(OptionsRefused) as refusal:
        Detector(kind).fit(stripes(60, seed=0))
    assert refusal.value.faults[0].facts["available"] == ["auto", "conv_autoencoder"]


def test_options_of_images_are_read():
    assert parse_image_options("auto", {"filters": 8}) == ImageAutoencoderOptions(filters=8)
    with pytest.raises(KindUnknown):
        parse_image_options("camera", {})
    with pytest.raises(OptionsRefused):
        parse_image_options("conv_autoencoder", {"window_rows": 10})


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((5, 7, 8)),
        np.zeros((5, 65, 64)),
        np.zeros((5, 8, 8, 17)),
        np.zeros((5, 8, 8, 0)),
        np.zeros((5, 64)),
        np.zeros((5, 8, 8, 1, 1)),
        np.full((2, 8, 8), np.nan),
        np.full((2, 8, 8), 1e31),
        np.zeros((2, 8, 8), dtype=complex),
        np.full((2, 8, 8), "x"),
    ],
)
def test_what_is_no_set_of_images_is_refused(images: np.ndarray):
    with pytest.raises(ImagesRefused):
        read_images(images)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_images_come_back_from_their_rows(channels: int | None):
    pictures = stripes(4, seed=0, channels=channels)
    rows, shape = read_images(pictures)
    assert len(shape.columns()) == len(set(shape.columns())) == rows.shape[1]
    np.testing.assert_array_equal(as_images(rows, shape, grey_channel=channels is not None), pictures)


def test_each_channel_is_scaled_by_all_of_its_pixels():
    rng = np.random.default_rng(0)
    rows, shape = read_images(rng.normal(size=(200, 8, 8, 2)) * [1.0, 10.0] + [5.0, 50.0])
    scaled = as_images(image_scaling(rows, shape).apply(rows), shape, grey_channel=True)
    np.testing.assert_allclose(scaled.mean(axis=(0, 1, 2)), 0.0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=(0, 1, 2)), 1.0, rtol=1e-9)


def test_channel_that_never_moved_has_a_spread():
    rows, shape = read_images(np.zeros((20, 8, 8)))
    assert (image_scaling(rows, shape).scale > 0.0).all()


@pytest.mark.parametrize("stated", [None, [8, 8], [8, 8, "1"], [8, 8, 1, 1], [4, 4, 1], [True, 8, 8]])
def test_card_that_states_no_shape_is_refused(stated: object):
    with pytest.raises(ImagesRefused):
        ImageShape.of_json(stated)


def test_shape_comes_back_from_its_card():
    shape = ImageShape(12, 9, 3)
    assert ImageShape.of_json(shape.to_json()) == shape
