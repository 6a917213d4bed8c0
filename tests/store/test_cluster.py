import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from geo_service.errors import StoreFailed
from geo_service.store import opening
from geo_service.store.cluster import Cluster, Installed, choose, installed

ROOT = os.geteuid() == 0
HOUSE = Path(__file__).resolve().parents[2]
ANOTHER_PROGRAM = """
import sys
from pathlib import Path
from geo_service.store.cluster import Cluster
sys.stdin.readline()
cluster = Cluster(Path(sys.argv[1]))
print(cluster.start(), flush=True)
sys.stdin.readline()
cluster.stop()
print("left", flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder the server's user can reach, emptied of servers afterwards."""
    above = Path(tempfile.mkdtemp(prefix="geo_service-cluster-"))
    above.chmod(0o711)
    yield above / "data"
    if pid := postmaster(above / "data"):
        os.kill(pid, signal.SIGQUIT)
        wait_for_end(pid)
    shutil.rmtree(Cluster(above / "data")._socket, ignore_errors=True)
    shutil.rmtree(above)


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster in that folder, not yet started."""
    cluster = Cluster(folder)
    yield cluster
    cluster.stop()


def postmaster(folder: Path) -> int:
    """Its number, or 0 where none runs."""
    file = folder / "postgres" / "postmaster.pid"
    pid = int(file.read_text().split()[0]) if file.exists() else 0
    return pid if pid and Path(f"/proc/{pid}/exe").exists() else 0


def family(pid: int) -> list[int]:
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def wait_for_end(pid: int) -> None:
    for _ in range(200):
        if not Path(f"/proc/{pid}/exe").exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} does not end")


def another_program(folder: Path, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ANOTHER_PROGRAM, str(folder)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=HOUSE, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **more)  # type: ignore[call-overload]


def tell(program: subprocess.Popen[str]) -> None:
    assert program.stdin is not None
    program.stdin.write("\n")
    program.stdin.flush()


def hear(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    assert program.stderr is not None
    return program.stdout.readline().strip() or program.stderr.read()


def write_row(url: str, row: int) -> None:
    engine = opening.connect(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS rows (row int)"))
        connection.execute(sa.text("INSERT INTO rows VALUES (:row)"), {"row": row})
    engine.dispose()


def rows(url: str) -> list[int]:
    engine = opening.connect(url)
    with engine.connect() as connection:
        found = connection.scalars(sa.text("SELECT row FROM rows ORDER BY row")).all()
    engine.dispose()
    return list(found)


def test_two_first_starts_at_once_share_one_server(folder: Path):
    programs = [another_program(folder) for _ in range(2)]
    for program in programs:
        tell(program)
    urls = {hear(program) for program in programs}
    assert len(urls) == 1
    url = urls.pop()
    write_row(url, 1)
    first, last = programs
    tell(first)
    assert hear(first) == "left"
    assert rows(url) == [1]
    tell(last)
    assert hear(last) == "left"
    assert postmaster(folder) == 0
    for program in programs:
        program.communicate()
        assert program.returncode == 0


def test_a_program_that_is_killed_leaves_the_server_to_the_next(folder: Path):
    program = another_program(folder)
    tell(program)
    url = hear(program)
    write_row(url, 1)
    program.kill()
    program.communicate()
    assert rows(url) == [1]
    cluster = Cluster(folder)
    assert cluster.start() == url
    cluster.stop()
    assert postmaster(folder) == 0


@pytest.mark.parametrize("whom", ["the postmaster", "everything"])
def test_every_committed_row_outlives_kill_9(folder: Path, cluster: Cluster, whom: str):
    url = cluster.start()
    for row in range(5):
        write_row(url, row)
    engine = opening.connect(url)
    unfinished = engine.connect()
    unfinished.execute(sa.text("INSERT INTO rows VALUES (99)"))
    pid = postmaster(folder)
    for number in [pid] if whom == "the postmaster" else family(pid):
        os.kill(number, signal.SIGKILL)
    next_program = Cluster(folder)
    assert next_program.start() == url
    assert rows(url) == [0, 1, 2, 3, 4]
    next_program.stop()
    unfinished.invalidate()
    unfinished.close()
    engine.dispose()


def test_start_again_heals_what_was_killed_and_changes_nothing_else(folder: Path, cluster: Cluster):
    url = cluster.start()
    pid = postmaster(folder)
    assert cluster.start() == url
    assert postmaster(folder) == pid
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)
    assert not cluster.is_running()
    assert cluster.start() == url
    assert cluster.is_running()
    cluster.stop()
    cluster.stop()
    assert not cluster.is_running()


def test_a_strangers_process_with_the_old_number_does_not_hold_it_up(folder: Path, cluster: Cluster):
    write_row(cluster.start(), 1)
    pid = postmaster(folder)
    for number in family(pid):
        os.kill(number, signal.SIGKILL)
    wait_for_end(pid)
    server_user = {"user": "postgres", "group": "postgres", "extra_groups": []} if ROOT else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **server_user) as stranger:  # type: ignore[call-overload]
        for file in (folder / "postgres" / "postmaster.pid", cluster._socket / ".s.PGSQL.5432.lock"):
            file.write_text(file.read_text().replace(str(pid), str(stranger.pid), 1))
        started = time.monotonic()
        assert rows(cluster.start()) == [1]
        assert time.monotonic() - started < 20
        stranger.kill()


def test_a_first_start_that_was_killed_is_begun_again(folder: Path, cluster: Cluster):
    unfinished = folder / "postgres.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("15\n")
    write_row(cluster.start(), 1)
    assert not unfinished.exists()


def test_nobody_listens_on_tcp(folder: Path, cluster: Cluster):
    engine = opening.connect(cluster.start())
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SHOW listen_addresses")) == ""
    engine.dispose()
    listening = {
        fields[9]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for fields in map(str.split, Path(table).read_text().splitlines()[1:])
        if fields[3] == "0A"
    }
    held = {str(file.readlink()) for pid in family(postmaster(folder)) for file in Path(f"/proc/{pid}/fd").iterdir()}
    assert any(name.startswith("socket:") for name in held)
    assert {f"socket:[{inode}]" for inode in listening} & held == set()


def test_the_socket_is_private_and_short_however_deep_the_folder(folder: Path):
    deep = folder / ("deep" * 30) / ("deeper" * 30)
    cluster = Cluster(deep)
    cluster.start()
    socket = cluster._socket / ".s.PGSQL.5432"
    assert socket.is_socket()
    assert len(bytes(socket)) <= 107
    assert not socket.is_relative_to(deep)
    assert cluster._socket.stat().st_mode & 0o077 == 0
    cluster.stop()
    assert not cluster._socket.exists()


def test_a_socket_folder_somebody_else_made_is_refused(cluster: Cluster):
    cluster._socket.mkdir()
    cluster._socket.chmod(0o777)
    try:
        with pytest.raises(StoreFailed, match="not our private socket folder"):
            cluster.start()
    finally:
        cluster._socket.rmdir()


def test_a_folder_that_cannot_be_entered_is_refused_and_left_alone(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700 if ROOT else 0o000)
    with pytest.raises(StoreFailed, match=r"cannot enter .*GEO_DATA_DIR"):
        Cluster(closed / "data").start()
    closed.chmod(0o700)
    assert list(closed.iterdir()) == []


def test_a_server_that_cannot_start_says_what_its_log_says(folder: Path, cluster: Cluster):
    cluster.start()
    cluster.stop()
    with (folder / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(StoreFailed, match="no_such_setting"):
        cluster.start()


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else; every other test here runs as ourselves")
def test_an_ordinary_user_has_a_server_of_their_own(folder: Path):
    nobody = pwd.getpwnam("nobody")
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    if subprocess.run([sys.executable, "-c", ""], cwd=HOUSE, check=False, **as_nobody).returncode:  # type: ignore[call-overload]
        pytest.skip("an ordinary user cannot read this checkout")
    program = another_program(folder, **as_nobody)
    tell(program)
    write_row(hear(program), 1)
    assert Path(f"/proc/{postmaster(folder)}").stat().st_uid == nobody.pw_uid
    with pytest.raises(StoreFailed, match="belongs to user nobody"):
        Cluster(folder).start()
    tell(program)
    assert hear(program) == "left"
    program.communicate()


HERE = Path("/somewhere/bin")


@pytest.mark.parametrize(
    ("found", "major", "says"),
    [
        ([], None, "PostgreSQL is missing; .*apt-get install postgresql-postgis.*GEO_DATABASE_URL"),
        ([Installed(HERE, 15, False)], None, "PostGIS is not; .*apt-get install postgresql-postgis"),
        ([Installed(HERE, 17, True)], 15, "made by PostgreSQL 15.*apt-get install postgresql-15-postgis-3"),
        ([Installed(HERE, 15, False)], 15, "made by PostgreSQL 15.*apt-get install postgresql-15-postgis-3"),
    ],
)
def test_what_is_missing_is_named_with_its_package(found: list[Installed], major: int | None, says: str):
    with pytest.raises(StoreFailed, match=says):
        choose(found, major)


def test_the_newest_with_postgis_is_taken_unless_the_data_needs_its_own():
    found = [Installed(HERE / "18", 18, False), Installed(HERE / "17", 17, True), Installed(HERE / "15", 15, True)]
    assert choose(found, None) == HERE / "17"
    assert choose(found, 15) == HERE / "15"


def test_what_is_installed_is_found(tmp_path: Path):
    assert installed([tmp_path, tmp_path / "nowhere"]) == []
    here = [one for one in installed(Path("/usr/lib/postgresql").glob("*/bin")) if one.has_postgis]
    assert all((one.programs / "postgres").exists() and one.major >= 12 for one in here)
