"""The OpenAPI document against the running application: schemathesis asks what it can think of.

Whatever is asked, by somebody who may: no answer is a 5xx, or has a status, type or shape that the
document does not declare.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from commenda.app import create_app
from commenda.identity import Role
from commenda.kit import durable
from commenda.kit.db import Database
from databases import empty
from extent import up_to
from people import SETTINGS, signed_in
from routes import api_routes, roles_for

APP = create_app(SETTINGS)
DOCUMENT = schemathesis.openapi.from_dict(APP.openapi())
OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok() for found in DOCUMENT.get_all_operations()
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

MEANT = {("getReadiness", not_a_server_error)}
"""Not ready is a 503: no worker runs here."""


@pytest.fixture(scope="module")
def asked(database: Database) -> Iterator[TestClient]:
    empty(database)
    durable.prepare(database.owner_url)
    app = create_app(SETTINGS, database)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def role_for(operation_id: str) -> Role:
    """Somebody who may."""
    route = api_routes().get(operation_id)
    return roles_for(route)[0] if route else Role.INVESTOR


def askings() -> list[tuple[str, GenerationMode]]:
    """Every operation with what fits the document and, where there is anything to get wrong,
    with what does not."""
    return [
        (name, mode)
        for name, operation in sorted(OPERATIONS.items())
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        if mode is GenerationMode.POSITIVE
        or {"parameters", "requestBody"} & set(operation.definition.raw)
    ]


@pytest.mark.parametrize(("operation_id", "mode"), askings())
def test_no_answer_is_undeclared(
    operation_id: str, mode: GenerationMode, asked: TestClient, database: Database
) -> None:
    operation = OPERATIONS[operation_id]
    headers = signed_in(database, role_for(operation_id))
    checks = [one for one in CHECKS if (operation_id, one) not in MEANT]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=up_to(4, 10),
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Case) -> None:
        sent: dict[str, Any] = case.as_transport_kwargs(base_url="http://testserver")
        sent["headers"] = {**(sent.get("headers") or {}), **headers}
        if isinstance(sent.get("data"), str | bytes):
            sent["content"] = sent.pop("data")
        sent.pop("cookies", None)
        case.validate_response(asked.request(**sent), checks=checks)

    ask()
