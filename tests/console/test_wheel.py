"""The wheel carries the console: installed alone, where there is no Node.js, it serves it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import time
import urllib.request
from email.message import Message
from pathlib import Path

from processes import free_port

REPOSITORY = Path(__file__).parents[2]


def test_the_wheel_alone_serves_the_console_without_node(built: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=REPOSITORY)
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel
    )
    # Its dependencies are those of the tests' own environment, so that nothing is downloaded again;
    # Commenda itself is not among them, since an editable install is a .pth that is not followed.
    places = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    (places / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = run(python, "-c", "import commenda; print(commenda.__file__)")
    assert Path(where.strip()).is_relative_to(home)

    port = free_port()
    api = subprocess.Popen(
        [home / "bin" / "commenda", "api", "--port", str(port), "--data", tmp_path / "data"],
        env=bare(),
        stderr=subprocess.STDOUT,
        stdout=(tmp_path / "api.log").open("wb"),
    )
    try:
        url = f"http://127.0.0.1:{port}"
        page, _ = read(f"{url}/", api, tmp_path / "api.log")
        (script,) = re.findall(r'src="(/assets/[\w.-]+\.js)"', page.decode())
        code, told = read(url + script, api, tmp_path / "api.log")
        assert code == (built / "site" / script[1:]).read_bytes()
        assert "immutable" in str(told["cache-control"])
    finally:
        api.terminate()
        api.wait(40)


def bare() -> dict[str, str]:
    """An environment in which there is no Node.js, and nothing that names the sources."""
    kept = {name: os.environ[name] for name in ("HOME", "COMMENDA_CACHE_DIR") if name in os.environ}
    return kept | {"PATH": "/nonexistent"}


def run(*command: object, cwd: Path | None = None) -> str:
    words = [str(one) for one in command]
    done = subprocess.run(words, cwd=cwd, env=bare(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(url: str, api: subprocess.Popen[bytes], log: Path) -> tuple[bytes, Message]:
    """What is at an address, once the process answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as got:
                return got.read(), got.headers
        except OSError:
            assert api.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
