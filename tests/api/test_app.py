"""What every request meets, whatever it asks for."""

from __future__ import annotations

from fastapi.testclient import TestClient


def test_an_unknown_path_is_a_problem_with_a_code(client: TestClient) -> None:
    answer = client.get("/api/v1/nothing-here")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unknown_path"
