from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import openapi_spec_validator
import pytest
import yaml

from service.api.export import contract

COMMITTED = Path(__file__).parents[4] / "openapi.yaml"
PAGES = {"/", "/docs", "/docs/{asset}"}
"""For people, not part of the contract."""


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load(contract())


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield path, method, operation


def test_the_committed_contract_is_that_of_the_code():
    message = "openapi.yaml is out of date: run `make openapi`"
    assert COMMITTED.read_text(encoding="utf-8") == contract(), message


def test_the_contract_is_valid_openapi(document):
    openapi_spec_validator.validate(document)


def test_every_route_is_in_the_contract(app, document):
    documented = {(path, method.upper()) for path, method, _ in operations(document)}
    routed = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert {route for route in routed if route[0] not in PAGES} == documented


def test_every_operation_is_named_summed_up_and_tagged(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for _, _, operation in operations(document):
        assert operation["summary"].endswith(".")
        assert operation["tags"]


def test_every_operation_documents_its_problems(document):
    for path, method, operation in operations(document):
        statuses = set(operation["responses"])
        assert statuses >= {"500", "503"}, path
        if "requestBody" in operation:
            assert statuses >= {"400", "413", "415", "422"}, path
        if "_id}" in path:
            assert "404" in statuses, path
        if method == "post" and path in ("/v1/datasets", "/v1/fits", "/v1/models"):
            assert "507" in statuses, path
            assert "Location" in _success(operation)["headers"]


def test_every_answer_documents_its_request_id(document):
    for _, _, operation in operations(document):
        for response in operation["responses"].values():
            assert "$ref" in response or "X-Request-Id" in response["headers"]


def test_tables_may_come_and_go_in_every_format(document):
    predict = document["paths"]["/v1/models/{model_id}/predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {
        "application/json",
        "text/csv",
        "application/x-npy",
        "application/vnd.apache.parquet",
        "application/vnd.apache.arrow.stream",
    }
    assert set(_success(predict)["content"]) == {
        "application/json",
        "text/csv",
        "application/x-npy",
        "application/vnd.apache.arrow.stream",
    }


def test_the_contract_is_served_as_it_is_exported(client):
    answer = client.get("/openapi.yaml")
    assert answer.mimetype == "application/yaml"
    served = yaml.safe_load(answer.text)
    assert served["openapi"] == "3.1.0"
    assert client.get("/openapi.yaml").data == answer.data


def test_the_reader_needs_nothing_from_elsewhere(client):
    page = client.get("/docs")
    assert page.mimetype == "text/html"
    assert "://" not in page.text
    (script,) = re.findall(r'src="(.*?)"', page.text)
    asset = client.get(f"/{script}")
    assert (asset.status_code, asset.mimetype) == (200, "text/javascript")
    assert "max-age" in asset.headers["Cache-Control"]
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert "MIT License" in client.get("/docs/LICENSE.txt").text


def test_the_first_page_links_to_what_there_is(client):
    page = client.get("/")
    for target in re.findall(r'href="([^:"]+)"', page.text):
        assert client.get(f"/{target}").status_code == 200, target


def test_requests_are_closed_and_answers_open(document):
    for name, schema in document["components"]["schemas"].items():
        if name.endswith(("Request", "Changes")):
            assert schema["additionalProperties"] is False, name
        else:
            assert "additionalProperties" not in schema, name


def test_every_schema_is_used(document):
    text = yaml.safe_dump(document)
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}'" in text, name


def test_every_enum_has_a_type_and_is_of_it(document):
    def enums(node):
        if isinstance(node, dict):
            if isinstance(node.get("enum"), list):
                yield node
            for inner in node.values():
                yield from enums(inner)
        if isinstance(node, list):
            for inner in node:
                yield from enums(inner)

    assert len(list(enums(document["components"]))) >= 8
    for schema in enums(document):
        for word in schema["enum"]:
            matches({"type": schema["type"]}, word, document)


def test_every_example_is_of_its_schema(document):
    n_examples = 0
    for _, _, operation in operations(document):
        answers = [a for a in operation["responses"].values() if "$ref" not in a]
        for part in [*answers, operation.get("requestBody", {})]:
            for media in part.get("content", {}).values():
                for example in media.get("examples", {}).values():
                    n_examples += 1
                    matches(media["schema"], example["value"], document)
    assert n_examples >= 20


def test_no_example_stands_bare_beside_its_schema(document):
    """RapiDoc takes an object there for a map of examples, and stumbles over it."""

    def media_types(node):
        if isinstance(node, dict):
            yield from node.get("content", {}).values()
            for inner in node.values():
                yield from media_types(inner)

    found = list(media_types(document))
    assert len(found) > 50
    assert all("example" not in media for media in found)


def test_every_example_of_a_request_is_accepted_as_it_stands(
    document, client, model_id
):
    n_requests = 0
    for path, method, operation in operations(document):
        if "requestBody" in operation:
            n_requests += 1
            answer = client.open(
                path.format(model_id=model_id),
                method=method.upper(),
                json=example_of(operation["requestBody"]["content"]),
            )
            assert answer.status_code < 300, answer.text
    assert n_requests >= 9


def test_examples_of_fits_stand_where_the_operation_leaves_them(document):
    fits = document["paths"]
    for path, status in [
        ("/v1/fits", "queued"),
        ("/v1/fits/{fit_id}/cancel", "cancelled"),
    ]:
        content = fits[path]["post"]["responses"]["202"]["content"]
        assert example_of(content)["status"] == status


@pytest.mark.parametrize(
    ("source", "is_right"),
    [
        ({"data": [[1]]}, True),
        ({"dataset_id": "d1"}, True),
        ({"data": [[1]], "columns": ["a"]}, True),
        ({}, False),
        ({"data": [[1]], "dataset_id": "d1"}, False),
        ({"dataset_id": "d1", "columns": ["a"]}, False),
        ({"data": [[1]], "columns": [None]}, False),
    ],
)
def test_the_contract_knows_what_a_fit_needs(document, client, source, is_right):
    request = {"n_components": 1} | source
    schema = {"$ref": "#/components/schemas/FitRequest"}
    answer = client.post("/v1/fits", json=request)
    if is_right:
        matches(schema, request, document)
        assert answer.status_code in (202, 404)
    else:
        assert answer.status_code == 422
        with pytest.raises(jsonschema.ValidationError):
            matches(schema, request, document)


def example_of(content):
    return content["application/json"]["examples"]["example"]["value"]


def matches(schema, value, document):
    components = {"components": document["components"]}
    jsonschema.Draft202012Validator(schema | components).validate(value)


def _success(operation):
    return next(
        response
        for status, response in operation["responses"].items()
        if status.startswith("2")
    )
