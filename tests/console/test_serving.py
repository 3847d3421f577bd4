"""How the built console is served: its page at every address of its own, its files for good."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from commenda.app import create_app
from commenda.site import CONSOLE, Console
from people import SETTINGS

PAGE = "<!doctype html><title>a console</title>"
SCRIPT = "console.log('a script');" * 20


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """The application with a console of four files."""
    root = tmp_path_factory.mktemp("site")
    (root / "assets").mkdir()
    (root / "index.html").write_text(PAGE)
    (root / "icon.svg").write_text("<svg/>")
    (root / "assets" / "main-4f.js").write_text(SCRIPT)
    (root / "assets" / "main-4f.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    return served(root)


def served(root: Path) -> TestClient:
    app = create_app(SETTINGS)
    console = app.router.default
    assert isinstance(console, Console)
    taken = [f"/{one}" for one in console.elsewhere]
    app.router.default = Console(taken, app.router.not_found, root)
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


@pytest.mark.parametrize(
    "path",
    ["/", "/index.html", "/holdings/anna.b", "/docs", "/docs/subscribe", "/overview", "/apiary"],
)
def test_an_address_of_the_console_is_its_page(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"Accept-Encoding": "identity"})
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["cache-control"] == "no-cache"
    assert client.head(path).status_code == 200
    again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_lets_nothing_in_from_elsewhere(client: TestClient) -> None:
    told = client.get("/").headers
    policy = dict(one.strip().split(" ", 1) for one in told["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    for one in ("script-src", "style-src", "connect-src", "font-src"):
        assert policy[one] == "'self'"  # and so nothing inline
    assert told["x-content-type-options"] == "nosniff"
    assert told["referrer-policy"] == "no-referrer"
    assert told["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("br;q=1.0, gzip;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.000, br", None),
        ("identity", None),
        ("", None),
    ],
)
def test_an_asset_is_kept_for_good_and_comes_packed_to_whom_takes_it(
    client: TestClient, accepted: str, encoding: str | None
) -> None:
    answer = client.get("/assets/main-4f.js", headers={"Accept-Encoding": accepted})
    assert answer.text == SCRIPT  # the client unpacks
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/nothing-here"),
        ("GET", "/api"),
        ("POST", "/api/v1/nothing-here"),
        ("POST", "/"),
        ("DELETE", "/holdings"),
        ("GET", "/assets/main-of-another-build.js"),
        ("GET", "/assets/main-4f.js.gz"),
        ("GET", "/assets/../../settings.py"),
        ("GET", "/robots.txt"),
        ("GET", "/.well-known/change-password"),
        ("GET", "/.git/config"),
        ("GET", "/%2e%2e/%2e%2e/settings.py"),
        ("GET", "/demo.json"),
        ("GET", "/ws/alerts"),
        ("GET", "http://testserver//api"),
        ("GET", "http://testserver/holdings//x"),
    ],
)
def test_what_is_unknown_elsewhere_stays_a_problem(
    client: TestClient, method: str, path: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_path"


def test_what_stands_beside_the_console_is_served_as_ever(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"alive": True}
    assert client.get("/openapi.json").json()["info"]["title"] == "Commenda"
    assert client.get("/icon.svg").headers["content-type"] == "image/svg+xml"


def test_without_a_console_the_page_says_how_to_build_one(tmp_path: Path) -> None:
    bare = served(tmp_path / "nothing")
    answer = bare.get("/")
    assert answer.status_code == 200
    assert "make console" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    for path in ("/holdings", "/index.html", "/assets/main-4f.js"):
        assert bare.get(path).json()["code"] == "unknown_path"


def test_the_console_is_looked_for_in_the_package() -> None:
    assert str(CONSOLE).replace("\\", "/").endswith("/commenda/console/site")
