"""A route that is answered directly answers as FastAPI's own would, whatever it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import BaseModel

from commenda.kit.direct import Direct, Shelf


class Order(BaseModel):
    amount: int
    note: str | None = None


async def _who(request: Request) -> str:
    return request.headers.get("authorization", "nobody")


Who = Annotated[str, Depends(_who)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=5)]


def _order(who: Who, body: Order, key: Key = None) -> Response:
    return JSONResponse([who, body.amount, body.note, key], 201)


def _change(who: Who, order: UUID, body: Order | None = None, key: Key = None) -> Response:
    return JSONResponse([who, str(order), body.amount if body else None, key], 202)


def _one(who: Who, order: UUID) -> Response:
    return JSONResponse([who, str(order)])


def _served(kind: type[APIRoute]) -> TestClient:
    app = FastAPI()
    app.router.route_class = kind

    async def invalid(_: Request, error: Any) -> JSONResponse:
        return JSONResponse([[one["loc"], one["type"], one["msg"]] for one in error.errors()], 422)

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_api_route("/api/v1/orders", _order, methods=["POST"], status_code=201)
    app.add_api_route("/api/v1/orders/{order}", _one, methods=["GET"])
    app.add_api_route("/api/v1/orders/{order}/change", _change, methods=["POST"])
    if kind is Direct:
        app.router.routes.insert(0, Shelf(app.router.routes))
    return TestClient(app, raise_server_exceptions=False)


ONE = "/api/v1/orders/0b2f6a2c-2f5d-8b52-8d0e-0d1f6c1f1a11"
JSON = {"content-type": "application/json"}
GOOD = b'{"amount": 5}'


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "/api/v1/orders", JSON, GOOD),
        ("POST", "/api/v1/orders", {"content-type": "application/json; charset=utf-8"}, GOOD),
        ("POST", "/api/v1/orders", {"content-type": "Application/JSON"}, GOOD),
        ("POST", "/api/v1/orders", {"content-type": "application/hal+json"}, GOOD),
        ("POST", "/api/v1/orders", {"content-type": "text/plain"}, GOOD),
        ("POST", "/api/v1/orders", {}, GOOD),
        ("POST", "/api/v1/orders", JSON, b""),
        ("POST", "/api/v1/orders", JSON, b"{"),
        ("POST", "/api/v1/orders", JSON, b"\xff\xfe\xfa"),
        ("POST", "/api/v1/orders", JSON, b"[" * 100_000),
        ("POST", "/api/v1/orders", JSON, b"null"),
        ("POST", "/api/v1/orders", JSON, b"[1]"),
        ("POST", "/api/v1/orders", JSON, b'{"amount": "five", "note": 3}'),
        ("POST", "/api/v1/orders", JSON, b'{"amount": ' + b"9" * 5_000 + b"}"),
        ("POST", "/api/v1/orders", JSON | {"idempotency-key": "k1"}, GOOD),
        ("POST", "/api/v1/orders", JSON | {"idempotency-key": "too long"}, GOOD),
        ("POST", "/api/v1/orders", JSON | {"idempotency-key": ""}, b"{}"),
        ("POST", "/api/v1/orders", JSON | {"authorization": "me"}, GOOD),
        ("POST", f"{ONE}/change", JSON, GOOD),
        ("POST", f"{ONE}/change", {}, b""),
        ("POST", f"{ONE}/change", JSON, b"null"),
        ("POST", "/api/v1/orders/no-id/change", JSON, b"{}"),
        ("GET", ONE, {}, b""),
        ("GET", "/api/v1/orders/no-id", {}, b""),
        ("GET", "/api/v1/orders", {}, b""),
        ("DELETE", ONE, {}, b""),
        ("POST", "/api/v1/orders/", JSON, GOOD),
        ("GET", "/api/v1/nothing", {}, b""),
        ("GET", "/", {}, b""),
    ],
)
def test_what_is_sent_is_answered_as_ever(
    method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    direct, plain = (
        _served(kind).request(method, path, headers=headers, content=body)
        for kind in (Direct, APIRoute)
    )
    assert (direct.status_code, direct.content) == (plain.status_code, plain.content)
    assert direct.headers == plain.headers


def _plain(request: Request) -> str:
    return "plain"


def _kept(request: Request) -> Iterator[str]:
    yield "kept"


async def _told(request: Request, response: Response) -> str:
    response.headers["x-told"] = "yes"
    return "told"


@pytest.mark.parametrize("asked", [_plain, _kept, _told, _who])
@pytest.mark.parametrize("beside", [(), (Depends(_who),)])
def test_dependencies_of_other_kinds_are_left_to_fastapi(asked: Any, beside: Any) -> None:
    def found(given: Any) -> Response:
        return JSONResponse(given)

    found.__annotations__["given"] = Annotated[str, Depends(asked)]
    answers = []
    for kind in (Direct, APIRoute):
        app = FastAPI()
        app.router.route_class = kind
        app.add_api_route("/api/v1/orders", found, methods=["GET"], dependencies=beside)
        answers.append(TestClient(app).get("/api/v1/orders"))
    direct, plain = answers
    assert (direct.status_code, direct.text) == (200, plain.text)


def test_a_method_that_no_route_of_a_path_has_is_told_those_that_they_have() -> None:
    app = FastAPI()
    app.router.route_class = Direct
    app.add_api_route("/api/v1/orders", _order, methods=["POST"])
    app.add_api_route("/api/v1/orders", _who, methods=["GET"])
    app.add_api_route("/api/v1/orders/{order}", _one, methods=["PUT"])
    app.router.routes.insert(0, Shelf(app.router.routes))
    answer = TestClient(app).delete("/api/v1/orders")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_the_description_of_the_routes_is_the_same() -> None:
    one, other = (_served(kind).get("/openapi.json").json() for kind in (Direct, APIRoute))
    assert json.dumps(one) == json.dumps(other)
