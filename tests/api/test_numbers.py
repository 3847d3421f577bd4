"""Numbers from outside are ASCII digits, wherever one is taken."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter, ValidationError

from commenda.funding import FundingOrder
from people import SignIn
from routes import api_routes, roles_for

WRONG = ["١٢", "１２", "1_0", "1 ", " 1", "", "1,000", "1.0.0", "0x10", "--1", "NaN", "inf", "½"]
"""No amounts: digits of other scripts, separators, blanks, and what is not finite."""
EXPONENTS = ["1e3", "1E+4", "0E-8"]
"""Of a measured number they are usual, of an amount they are not."""


def kinds(annotation: Any) -> set[type]:
    """The numbers that a field takes: int, float, Decimal; of its parts, too."""
    if annotation in (int, float, Decimal):
        return {annotation}
    if get_origin(annotation) is Annotated:
        return kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType, list, dict, Mapping):
        return {kind for part in get_args(annotation) for kind in kinds(part)}
    return set()


def holder(annotation: Any, value: object) -> object:
    """A value of such a field with this number in it."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is list:
        return [value]
    return {"one": value} if get_origin(annotation) is dict else value


def bodies(model: Any) -> Iterator[Any]:
    """A request's model, and those inside it."""
    if isinstance(model, type):
        yield model
        for hint in typing.get_type_hints(model, include_extras=True).values():
            for part in get_args(hint) or (hint,):
                if isinstance(part, type) and issubclass(part, BaseModel):
                    yield from bodies(part)


def fields() -> list[Any]:
    """Every number in a body that is taken: (model, field, annotation)."""
    models = {
        one
        for route in api_routes().values()
        if route.body_field is not None
        for one in bodies(route.body_field.field_info.annotation)
    }
    return [
        pytest.param(model, name, hint, id=f"{model.__name__}.{name}")
        for model in sorted(models, key=lambda one: str(one.__name__))
        for name, hint in typing.get_type_hints(model, include_extras=True).items()
        if name != "model_config" and kinds(hint)
    ]


def refused(model: Any, name: str, value: object) -> bool:
    try:
        TypeAdapter(model).validate_python({name: value})
    except ValidationError as error:
        camel = "".join(w.title() if n else w for n, w in enumerate(name.split("_")))
        return any(
            one["loc"][0] in (name, camel) and one["type"] not in ("missing", "extra_forbidden")
            for one in error.errors()
        )
    return False


def test_the_walk_finds_what_is_known_to_be_there() -> None:
    found = {one.id for one in fields()}
    assert {"FundingOrder.amount", "RateOrder.daily_rate", "StudyRequest.trials"} <= found
    assert {"BacktestRequest.params", "Plan.name"} & found == {"BacktestRequest.params"}
    assert len(found) > 25


@pytest.mark.parametrize(("model", "name", "hint"), fields())
def test_a_body_takes_numbers_in_ascii_digits(model: Any, name: str, hint: Any) -> None:
    wrong = [*WRONG, *([] if float in kinds(hint) else EXPONENTS), True]
    assert [one for one in wrong if not refused(model, name, holder(hint, one))] == []


@pytest.mark.parametrize("operation", sorted(api_routes()))
def test_a_query_takes_numbers_in_ascii_digits(
    client: TestClient, sign_in: SignIn, operation: str
) -> None:
    route = api_routes()[operation]
    dependants = [route.dependant]
    for one in dependants:
        dependants += one.dependencies
    numbers = [
        field
        for one in dependants
        for field in one.query_params
        if kinds(field.field_info.annotation)
    ]
    headers = sign_in(str(roles_for(route)[0])) if numbers else {}
    path = route.path
    while "{" in path:
        begin, _, rest = path.partition("{")
        path = begin + "00000000-0000-0000-0000-000000000001" + rest.partition("}")[2]
    for field in numbers:
        for wrong in [*WRONG, *EXPONENTS]:
            answer = client.get(path, headers=headers, params={field.alias: wrong})
            assert answer.status_code == 422, (field.alias, wrong, answer.text)


def test_a_json_number_is_what_it_prints_as() -> None:
    for written, meant in (("0.1", "0.1"), ("1e3", "1000"), ("0.00000001", "0.00000001")):
        body = f'{{"direction": "deposit", "amount": {written}, "asset": "USDT"}}'
        assert FundingOrder.model_validate(json.loads(body)).amount == Decimal(meant)
