"""A detector of images, from the file of a camera to the score of a spoiled picture."""

import io

import httpx
import numpy as np

from tests.integration.anomaly.site import Site

SIDE = 10


def pictures(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    ramp = np.add.outer(np.arange(SIDE), np.arange(SIDE)) * 8.0
    return np.clip(ramp + rng.normal(size=(count, SIDE, SIDE)) * 4.0 + 40.0, 0, 255).astype(np.uint8)


async def upload(client: httpx.AsyncClient, images: np.ndarray) -> str:
    file = io.BytesIO()
    np.savez(file, images=images)
    answer = await client.post("/uploads", content=file.getvalue(), headers={"Content-Type": "application/x-npz"})
    assert answer.status_code == 201, answer.text
    upload_id: str = answer.json()["upload_id"]
    return upload_id


async def test_uploaded_images_train_a_detector_that_finds_a_spoiled_one(site: Site, client: httpx.AsyncClient):
    upload_id = await upload(client, pictures(120, seed=0))
    wish = {"name": "camera", "training": {"upload_id": upload_id}, "options": {"epochs": 5, "filters": 4}}
    answer = await client.post("/detectors", json=wish)
    assert answer.status_code == 202, answer.text
    site.train_now(answer.json()["id"])
    card = (await client.get("/detectors/camera")).json()
    assert card["kind"] == "conv_autoencoder"
    spoiled = pictures(2, seed=1).astype(float)
    spoiled[1, 4:7, 4:7] = 255.0
    columns = [column["name"] for column in card["columns"]]
    scored = await client.post(
        "/detectors/camera/score", json={"columns": columns, "rows": spoiled.reshape(2, -1).tolist()}
    )
    assert scored.status_code == 200, scored.text
    assert scored.json()["labels"] == [0, 1]


async def test_part_of_an_image_cannot_be_learned(client: httpx.AsyncClient):
    upload_id = await upload(client, pictures(120, seed=0))
    wish = {"name": "camera", "training": {"upload_id": upload_id, "columns": ["r0c0", "r0c1"]}}
    answer = await client.post("/detectors", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (422, "anomaly.rows_refused")


async def test_kind_that_takes_no_images_is_refused_at_the_door(client: httpx.AsyncClient):
    upload_id = await upload(client, pictures(120, seed=0))
    answer = await client.post(
        "/detectors", json={"name": "camera", "kind": "fanogan", "training": {"upload_id": upload_id}}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "anomaly.options_refused")
