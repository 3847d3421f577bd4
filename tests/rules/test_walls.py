"""Attacks on the walls around strangers' strategies, in earnest, and looked for afterwards.

Run as whoever runs the tests and, where that is root, as a user with no rights, too. An attack that
a wall of this machine cannot stop is skipped with what `walls.held` says of it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.strangers import HEAD, alive

from commenda.kit.errors import CommendaError
from commenda.strategies import WALLS, Limits, run_sandboxed, sandbox, try_walls, walls
from commenda.testing import sample_bars

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")

SAID = "\n    raise RuntimeError(f'BEGIN{found}END')"
RUNNER = """
import json, sys
from commenda.kit.errors import CommendaError
from commenda.strategies import Limits, run_sandboxed, try_walls
from commenda.testing import sample_bars
for line in sys.stdin:
    told, said = json.loads(line), None
    try:
        if told["file"] is None:
            said = try_walls()[0]
        else:
            run_sandboxed(told["file"], {}, sample_bars(5), limits=Limits(**told["limits"]),
                          hash_seed=told["seed"])
    except CommendaError as error:
        said = [error.code, error.message]
    print(json.dumps(said), flush=True)
"""
CANARY = "canary-of-the-master-key"
NOBODY = 65534
Attack = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module", params=["as we are", "as nobody"])
def other(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Any] | None]:
    """Asks a process of another user, with this environment's packages; None for this process."""
    if request.param == "as we are":
        yield None
        return
    system = f"/usr/bin/python3.{sys.version_info.minor}"
    if os.getuid() != 0 or not os.access(system, os.X_OK):
        pytest.skip(f"becoming another user takes root and {system}")
    folder = tmp_path_factory.mktemp("nobody")
    subprocess.run([system, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    packages = folder / f"venv/lib/python3.{sys.version_info.minor}/site-packages"
    own = Path(pytest.__file__).parents[1]
    (packages / "more.pth").write_text(f"{own}\n{Path(walls.__file__).parents[2]}\n")
    (folder / "cache").mkdir(mode=0o777)
    (folder / "cache").chmod(0o777)
    for above in (folder, *folder.parents):
        if above != Path("/tmp") and above.is_relative_to("/tmp"):
            above.chmod(0o755)
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env", "-C"]
    command += ["/", f"COMMENDA_CACHE_DIR={folder / 'cache'}", f"HOME={folder}"]
    command += [str(folder / "venv/bin/python")]
    tried = subprocess.run([*command, "-c", "import commenda"], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"nobody cannot read this installation: {tried.stderr[-200:]}")
    given = os.environ | {"COMMENDA_MASTER_KEY": CANARY}
    with subprocess.Popen(
        [*command, "-c", RUNNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=given,
    ) as process:
        assert process.stdin
        assert process.stdout

        def ask(**told: object) -> Any:
            print(json.dumps(told), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def held(other: Callable[..., Any] | None) -> dict[str, str]:
    return try_walls()[0] if other is None else dict(other(file=None))


@pytest.fixture
def attack(
    other: Callable[..., Any] | None,
    held: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Attack]:
    """Run a strategy with this body; its code, and what it says it found. Nothing stays behind."""
    seed = uuid.uuid4().int % 2**32
    monkeypatch.setenv("COMMENDA_MASTER_KEY", CANARY)

    def run(wall: str, body: str, limits: dict[str, float] | None = None) -> tuple[str, str]:
        if held[wall]:
            pytest.skip(f"no wall {wall!r} on this machine: a strategy {held[wall]}")
        path = tmp_path / "tried.py"
        path.write_text(HEAD + textwrap.indent(textwrap.dedent(body), "    ") + SAID)
        given = {"seconds": 30.0, **(limits or {})}
        if other is not None:
            for above in (path, tmp_path, *tmp_path.parents):
                if above != Path("/tmp") and above.is_relative_to("/tmp"):
                    above.chmod(0o755)
            code, said = other(file=str(path), limits=given, seed=seed)
        else:
            with pytest.raises(CommendaError) as caught:
                run_sandboxed(str(path), {}, sample_bars(5), limits=Limits(**given), hash_seed=seed)
            code, said = caught.value.code, caught.value.message
        return code, said.rpartition("BEGIN")[2].rpartition("END")[0] or said

    yield run
    assert alive(f"PYTHONHASHSEED={seed}") == []


def test_every_wall_that_this_kernel_can_raise_holds(held: dict[str, str]) -> None:
    assert held.keys() == WALLS.keys()
    seccomp = Path("/proc/sys/kernel/seccomp/actions_avail")
    if seccomp.exists() and os.uname().machine in ("x86_64", "aarch64"):
        wanted = ("writing", "network", "processes", "others", "limits")
        assert {name: held[name] for name in wanted} == dict.fromkeys(wanted, "")


def test_the_master_key_is_in_no_environment(attack: Attack) -> None:
    body = """
    import glob, os
    for path in ["/proc/1/environ", "/proc/self/environ", *glob.glob("/proc/[0-9]*/environ")]:
        try: text = open(path, "rb").read()
        except OSError: continue
        if b"canary-of" + b"-the-master-key" in text: found.append(path)
    found += [name for name in os.environ if name.startswith("COMMENDA_") and "CACHE" not in name]
    """
    assert attack("secrets", body) == ("strategy_failed", "[]")


def test_files_of_the_data_directory_are_not_read(attack: Attack, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "master.key").write_text("canary")
    (data / "master.key").chmod(0o600)
    body = f"""
    import os
    for verb in (os.listdir, os.scandir, lambda p: open(p + "/master.key").read(),
                 lambda p: open("/proc/1/root" + p + "/master.key").read(),
                 lambda p: os.readlink("/proc/self/cwd/../../../" + p)):
        try: found.append(verb({str(data)!r}))
        except OSError: pass
    for path in ("/root", "/home", os.path.expanduser("~root"), "/etc/shadow", "/etc/passwd"):
        try: found.append(os.listdir(path) if os.path.isdir(path) else open(path).read())
        except OSError: pass
    found = [one for one in found if one and one != [".pyenv"]]
    """
    code, found = attack("files", body)
    assert code == "strategy_failed"
    assert "canary" not in found
    assert "root:" not in found


def test_no_connection_is_opened(attack: Attack, tmp_path: Path) -> None:
    body = """
    import socket
    for family, kind, where in ((socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {port})),
                                (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", {port})),
                                (socket.AF_INET6, socket.SOCK_STREAM, ("::1", {port})),
                                (socket.AF_UNIX, socket.SOCK_STREAM, {path!r}),
                                (socket.AF_NETLINK, socket.SOCK_RAW, (0, 0)),
                                (socket.AF_PACKET, socket.SOCK_RAW, ("lo", 0))):
        try:
            with socket.socket(family, kind) as one:
                found.append(str(family))
                one.connect(where)
                found.append("CONNECTED")
        except OSError: pass
    try: found.append(socket.socketpair())
    except OSError: pass
    """
    path = str(tmp_path / "s.PGSQL.5432")
    with socket.socket() as inet, socket.socket(socket.AF_UNIX) as unix:
        inet.bind(("127.0.0.1", 0))
        unix.bind(path)
        for one in (inet, unix):
            one.listen()
            one.setblocking(False)
        os.chmod(path, 0o777)
        said = attack("network", body.format(port=inet.getsockname()[1], path=path))
        assert said == ("strategy_failed", "[]")
        for one in (inet, unix):
            with pytest.raises(BlockingIOError):
                one.accept()


def test_a_fork_bomb_and_a_program_do_not_start(attack: Attack) -> None:
    body = """
    import os, subprocess, threading
    for verb in (os.fork, os.forkpty, lambda: os.execv("/bin/true", ["true"]),
                 lambda: os.posix_spawn("/bin/true", ["true"], {}),
                 lambda: subprocess.run(["/bin/true"]), lambda: os.system("true") or None):
        for _ in range(200):
            try:
                pid = verb()
                if pid == 0:
                    while True: pass
                if pid != 32512 and pid != -1: found.append(str(pid))
            except OSError: pass
    for _ in range(200):
        try:
            threading.Thread(target=lambda: None).start()
        except RuntimeError: pass
    """
    assert attack("processes", body) == ("strategy_failed", "[]")


def test_a_child_in_a_session_of_its_own_does_not_stay(attack: Attack) -> None:
    body = """
    import os, time
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(60)
            os._exit(0)
        found.append("forked")
    except OSError: pass
    """
    assert attack("processes", body) == ("strategy_failed", "[]")


def test_nothing_is_written_anywhere(attack: Attack, tmp_path: Path) -> None:
    mark = f"commenda-{uuid.uuid4().hex}"
    site = str(Path(pytest.__file__).parents[1])
    body = f"""
    import os, commenda, ctypes
    places = [os.getcwd(), os.environ["TMPDIR"], os.environ["COMMENDA_CACHE_DIR"], "/tmp",
              "/dev/shm", "/var/tmp", "/", {str(tmp_path)!r}, {site!r}, commenda.__path__[0]]
    for place in places:
        for verb in (lambda p: open(p, "w").write("x"), lambda p: os.mkdir(p),
                     lambda p: os.symlink("/etc/passwd", p), lambda p: os.mkfifo(p),
                     lambda p: os.rename(__file__, p), lambda p: os.link(__file__, p)):
            try:
                verb(os.path.join(place, {mark!r}))
                found.append(place)
            except OSError: pass
    for verb in (lambda: os.chmod(__file__, 0o777), lambda: os.unlink(__file__),
                 lambda: os.truncate(__file__, 0), lambda: os.utime(__file__)):
        try: found.append(verb())
        except OSError: pass
    """
    assert attack("writing", body) == ("strategy_failed", "[]")
    for place in ("/tmp", "/dev/shm", "/var/tmp", "/", str(tmp_path), site):
        assert not os.path.lexists(os.path.join(place, mark))


def test_the_disk_and_the_shared_memory_are_not_filled(attack: Attack) -> None:
    body = """
    import os, tempfile
    written = 0
    for at in range(200):
        for make in (lambda: open(f"fill{at}", "wb", 0), lambda: tempfile.TemporaryFile(),
                     lambda: open(f"/dev/shm/fill{at}", "wb", 0),
                     lambda: os.fdopen(os.memfd_create("fill"), "wb", 0)):
            try: written += make().write(bytes(1 << 20))
            except OSError: pass
    for fd in (0, 1, 2):
        try: os.ftruncate(fd, 1 << 30); found.append(fd)
        except OSError: pass
    if written: found.append(written)
    """
    assert attack("writing", body) == ("strategy_failed", "[]")


def test_other_processes_are_not_traced_nor_signalled(attack: Attack) -> None:
    body = f"""
    import ctypes, os, signal
    libc = ctypes.CDLL(None, use_errno=True)
    here = ctypes.create_string_buffer(8)
    class Part(ctypes.Structure): _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]
    one = Part(ctypes.addressof(here), 8)
    for pid in {{ {os.getpid()}, os.getppid(), 1, -1 }}:
        for number in (0, signal.SIGSTOP, signal.SIGKILL):
            try: os.kill(pid, number); found.append(("kill", pid))
            except OSError: pass
        if libc.ptrace(16, pid, 0, 0) == 0: found.append(("ptrace", pid))
        if libc.process_vm_readv(pid, ctypes.byref(one), 1, ctypes.byref(one), 1, 0) >= 0:
            found.append(("read", pid))
        try: open(f"/proc/{{pid}}/mem", "rb"); found.append(("mem", pid))
        except OSError: pass
    for number in (165, 272, 308, 425, 321, 298, 250):  # mount, unshare, setns, io_uring, bpf, …
        if libc.syscall(number, 0, 0, 0, 0, 0) >= 0: found.append(number)
    """
    assert attack("others", body) == ("strategy_failed", "[]")


def test_a_bomb_of_memory_is_ended(attack: Attack) -> None:
    body = """
    import mmap
    held = []
    try:
        while True: held.append(mmap.mmap(-1, 1 << 26))
    except OSError:
        found.append(len(held) * 64)
    """
    code, found = attack("limits", body, {"memory": 1 << 29})
    assert code == "strategy_failed"
    assert int(found.strip("[]")) <= 512  # MiB
    code, _ = attack("limits", "held = []\nwhile True: held.append(bytes(1 << 20))")
    assert code == "strategy_memory"


def test_an_endless_loop_that_blocks_every_signal_is_ended(attack: Attack) -> None:
    body = """
    import signal
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while True: pass
    """
    begun = time.monotonic()
    assert attack("limits", body, {"seconds": 8.0})[0] == "strategy_timeout"
    assert time.monotonic() - begun < 8.0 + 2 * sandbox.LEAVING
