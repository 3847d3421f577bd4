"""The pages beside the API: the overview at `/` and the reader of the API's document at `/docs`.

Static files of the package, served with an ETag and a policy that lets nothing in from elsewhere:
no other host, no inline script or style.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_PAGES = {"/": "overview.html", "/docs": "docs.html"}
_FILES = (
    "overview.css",
    "page.js",
    "overview.js",
    "charts.js",
    "session.js",
    "texts.js",
    "trace.js",
    "docs.css",
    "docs.js",
    "icon.svg",
)
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def pages(*, demo: bool) -> APIRouter:
    """The routes of every page and file, and in a demo of its published sign-ins."""
    router = APIRouter(include_in_schema=False)
    for path, name in (*_PAGES.items(), *((f"/static/{name}", name) for name in _FILES)):
        router.add_api_route(path, _serve(name), methods=["GET", "HEAD"])
    if demo:
        router.add_api_route("/demo.json", _sign_ins, methods=["GET"])
    return router


def _serve(name: str) -> Callable[[Request], Response]:
    def serve(request: Request) -> Response:
        body, tag = _read(name)
        headers = {
            "ETag": tag,
            "Cache-Control": "no-cache",  # kept, and asked about each time
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        known = [one.strip() for one in request.headers.get("if-none-match", "").split(",")]
        if tag in known or f"W/{tag}" in known:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)

    return serve


@cache
def _read(name: str) -> tuple[bytes, str]:
    body = (files("commenda") / "web_static" / name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def _sign_ins() -> JSONResponse:
    from commenda.demo.sign_ins import SIGN_INS  # with it comes the whole demo

    return JSONResponse(
        [
            {
                "username": one.username,
                "password": one.password,
                "role": one.role.value,
                "label": one.label,
            }
            for one in SIGN_INS
        ],
        headers={"Cache-Control": "no-store"},
    )
