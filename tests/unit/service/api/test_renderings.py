from __future__ import annotations

import threading

import pytest

from tests.unit.service.api.conftest import OPTIONS, problem


def test_a_training_is_shown_as_a_gif(client, model_id):
    answer = client.get(f"/v1/models/{model_id}/animation.gif")
    assert (answer.status_code, answer.mimetype) == (200, "image/gif")
    assert answer.data.startswith(b"GIF89a")
    assert "max-age" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("prefix", ["", "W/", '"x", '])
def test_who_has_the_picture_does_not_get_it_again(client, world, model_id, prefix):
    target = f"/v1/models/{model_id}/animation.gif"
    etag = prefix + client.get(target).headers["ETag"]
    answer = client.get(target, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"]
    assert world.renderer.rendered == 1


def test_another_picture_is_sent(client, model_id):
    target = f"/v1/models/{model_id}/animation.gif"
    answer = client.get(target, headers={"If-None-Match": '"other"'})
    assert answer.status_code == 200


def test_a_model_from_parameters_has_no_training_to_show(client):
    body = {"weights": [1], "means": [[0]], "covariances": [[[1]]]}
    model_id = client.post("/v1/models", json=body).json["id"]
    answer = client.get(f"/v1/models/{model_id}/animation.gif")
    problem(answer, 404, "no-trajectory")


def test_a_model_whose_data_are_gone_has_no_training_to_show(
    client, model_id, dataset_id
):
    client.delete(f"/v1/datasets/{dataset_id}")
    answer = client.get(f"/v1/models/{model_id}/animation.gif")
    problem(answer, 404, "no-trajectory")


def test_an_unknown_model_has_no_picture(client):
    problem(client.get("/v1/models/none/animation.gif"), 404, "model-not-found")


def test_few_pictures_are_drawn_at_a_time(client, app, world, model_id, monkeypatch):
    started = threading.Barrier(OPTIONS.max_renderings + 1)
    finish = threading.Event()

    def render(*_):
        started.wait(10)
        finish.wait(10)
        return b"GIF89a"

    monkeypatch.setattr(world.renderer, "render", render)
    target = f"/v1/models/{model_id}/animation.gif"
    drawing = [
        threading.Thread(target=app.test_client().get, args=[target])
        for _ in range(OPTIONS.max_renderings)
    ]
    for thread in drawing:
        thread.start()
    started.wait(10)
    answer = client.get(target)
    finish.set()
    for thread in drawing:
        thread.join()
    problem(answer, 503, "too-busy")
    assert answer.headers["Retry-After"]
