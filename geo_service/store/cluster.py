"""The private PostGIS: made, started and stopped by the programs that use it; a Unix socket, never TCP.

    folder/            the caller's; as root one that the user `postgres` can reach, such as /var/lib/geo_service
        postgres/      the data, of the server's user alone
        postgres.log   what the server said
        start.lock     held while somebody starts or stops the server: two first starts wait for each other
        use.lock       shared by every program that uses the server

The last one out turns off the light: `stop` stops the server unless another program still uses it.  A program that is
killed leaves the server running; the kernel drops its lock, so the next clean leaver stops it.
Containers must not share a folder: a server in one cannot be seen from another.
Tables and connections are elsewhere (opening.py).  Tried on Linux with Debian's PostgreSQL 15 and PostGIS 3.3.
"""

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from geo_service.errors import StoreFailed

_INSTALL = "install it with: apt-get install postgresql-postgis"
_SERVER_USER = "postgres"  # Debian's package makes it; PostgreSQL refuses to run as root
_OWNER = "geo_service"  # the database's one role
_PATIENCE_S = 30.0  # a killed postmaster stays a zombie for 1-2 s and its last back ends may outlive it
_ANSWERS, _NO_ANSWER = 0, 2  # exit codes of pg_isready; 1 is "starting up"
_OPTIONS = {  # on the command line, where a moved data folder keeps them right
    "listen_addresses": "''",  # no TCP
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "jit": "off",  # its compiling takes longer than any of our queries
}


@dataclass(frozen=True)
class Installed:
    """One PostgreSQL on this machine: its programs, major version, and whether PostGIS is there for it."""

    programs: Path
    major: int
    has_postgis: bool


def installed(places: Iterable[Path]) -> list[Installed]:
    """Find the PostgreSQL servers among folders of programs, newest first."""
    found: dict[Path, Installed] = {}
    for place in places:
        if (place / "initdb").exists() and (place / "pg_config").exists():
            command = [place / "pg_config", "--version", "--sharedir"]
            version, share = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
            major = int(re.findall(r"\d+", version)[0])
            found[place.resolve()] = Installed(place, major, (Path(share) / "extension/postgis.control").exists())
    return sorted(found.values(), key=lambda one: one.major, reverse=True)


def choose(found: list[Installed], major: int | None) -> Path:
    """Give the programs of the newest PostgreSQL that has PostGIS, or of the `major` that made the data.

    Raises StoreFailed with the package to install.
    """
    if major is not None and not any(one.major == major and one.has_postgis for one in found):
        raise StoreFailed(
            f"the data was made by PostgreSQL {major}, which is not here with PostGIS; "
            f"install it with: apt-get install postgresql-{major}-postgis-3"
        )
    for one in found:
        if one.has_postgis and major in (None, one.major):
            return one.programs
    if found:
        raise StoreFailed(f"PostgreSQL {found[0].major} is here, PostGIS is not; {_INSTALL}")
    raise StoreFailed(f"PostgreSQL is missing; {_INSTALL}, or point GEO_DATABASE_URL at a PostGIS server")


def _usual_places() -> list[Path]:
    on_path = shutil.which("initdb")
    return [*Path("/usr/lib/postgresql").glob("*/bin"), *([Path(on_path).resolve().parent] if on_path else [])]


class Cluster:
    """A private PostGIS in `folder`.  Making the object touches nothing; `start` may be called again and heals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self._data = self.folder / "postgres"
        self._log = self.folder / "postgres.log"
        self._use: BinaryIO | None = None
        self._uid, self._gid = _server_account()
        # A socket's path may have 107 bytes at most, and the folder may lie deep.
        name = hashlib.sha256(bytes(self.folder)).hexdigest()[:10]
        self._socket = Path(f"/tmp/geo_service-{self._uid}-{name}")  # noqa: S108 - ours and 0700, or refused

    def start(self) -> str:
        """Make the cluster if it is new, start it if it stands still, and give its URL.

        Raises StoreFailed when PostgreSQL or PostGIS is missing, the folder cannot be used, or the server does not
        come up.
        """
        self._make_folder()
        with self._lock("start.lock", fcntl.LOCK_EX):
            self._make_socket_folder()
            if not self._data.exists():
                self._make()
            if self._answer() != _ANSWERS:
                self._raise_server()
            if self._use is None:
                self._use = self._open("use.lock")
                fcntl.flock(self._use, fcntl.LOCK_SH)
        return f"postgresql+psycopg://{_OWNER}@/postgres?host={self._socket}&port=5432"

    def stop(self) -> None:
        """Leave the server, and stop it unless another program uses it.  Without effect when not started."""
        if self._use is None:
            return
        with self._lock("start.lock", fcntl.LOCK_EX), self._use as use:
            self._use = None
            try:
                fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if self.is_running():
                self._run("pg_ctl", "stop", "-D", self._data, "-m", "fast", must=True)
                self._socket.rmdir()

    def is_running(self) -> bool:
        """Tell whether the server answers on its socket."""
        return self._answer() == _ANSWERS

    @cached_property
    def _programs(self) -> Path:
        made_by = self._data / "PG_VERSION"
        return choose(installed(_usual_places()), int(made_by.read_text()) if made_by.exists() else None)

    def _make_folder(self) -> None:
        above = next(path for path in (self.folder, *self.folder.parents) if os.access(path, os.F_OK))
        if self._call(["test", "-x", above], Path("/")):
            raise StoreFailed(
                f"the database runs as user {_name(self._uid)}, who cannot enter {self.folder}; "
                "set GEO_DATA_DIR to a folder that user can reach, such as /var/lib/geo_service"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreFailed(
                f"the data folder {self.folder} cannot be made: {error.strerror}; set GEO_DATA_DIR"
            ) from error
        if self._data.exists() and self._data.stat().st_uid != self._uid:
            owner = _name(self._data.stat().st_uid)
            raise StoreFailed(f"{self._data} belongs to user {owner}; run as that user, or set GEO_DATA_DIR elsewhere")

    def _make_socket_folder(self) -> None:
        try:
            self._socket.mkdir(mode=0o700)
            self._give(self._socket)
        except FileExistsError:
            there = self._socket.lstat()
            if not stat.S_ISDIR(there.st_mode) or there.st_uid != self._uid or there.st_mode & 0o077:
                raise StoreFailed(
                    f"{self._socket} is not our private socket folder; look who made it and remove it"
                ) from None

    def _make(self) -> None:
        # Made aside and renamed, so that a first start that is killed leaves nothing that looks finished.
        new = self._data.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._give(new)
        # The locale C compares text by code point, as the core does.
        self._run("initdb", "-D", new, "-U", _OWNER, "--encoding=UTF8", "--no-locale", "--auth=trust", must=True)
        new.rename(self._data)

    def _raise_server(self) -> None:
        pid_file = self._data / "postmaster.pid"
        deadline = time.monotonic() + (_PATIENCE_S if pid_file.exists() else 0)
        options = " ".join(f"-c {name}={value}" for name, value in _OPTIONS.items()) + f" -k {self._socket} -p 5432"
        while (answer := self._answer()) != _ANSWERS:
            if answer == _NO_ANSWER:
                self._forget_dead_server(pid_file)
                self._log.touch()
                self._give(self._log)
                if self._run("pg_ctl", "start", "-D", self._data, "-l", self._log, "-o", options, "-t", "600"):
                    return
                if time.monotonic() > deadline:
                    raise StoreFailed(
                        f"the private database does not start; {self._log} ends with:\n{self._last_words()}"
                    )
            time.sleep(0.1)

    def _forget_dead_server(self, pid_file: Path) -> None:
        """Remove the lock files of a server that is no more.

        PostgreSQL believes them while any process of its user has that number: a zombie nobody reaps, or after a
        container's restart a stranger.  A living postmaster stands in its data folder, which is what we ask.  Back ends
        that outlived their postmaster are PostgreSQL's own to find: it asks the shared memory too.
        """
        if not pid_file.exists() or not Path("/proc/self").exists():
            return
        try:
            pid = int(pid_file.read_text().split()[0])
            alive = Path(f"/proc/{pid}/cwd").readlink() == self._data
        except (OSError, ValueError, IndexError):
            alive = False
        if not alive:
            for file in (pid_file, *self._socket.glob(".s.PGSQL.*")):
                file.unlink(missing_ok=True)

    def _answer(self) -> int:
        where = ["-h", self._socket, "-p", "5432", "-d", "postgres", "-U", _OWNER]
        return self._call([self._programs / "pg_isready", "-q", *where], Path("/"))

    def _run(self, program: str, *arguments: str | Path, must: bool = False) -> bool:
        """Run one of PostgreSQL's programs; say whether it went well, or raise StoreFailed when it must."""
        # Output goes to a file: the server inherits it, and would keep a pipe open for as long as it lives.
        with tempfile.TemporaryFile() as said:
            failed = self._call([self._programs / program, *arguments], self.folder, said)
            if must and failed:
                said.seek(0)
                raise StoreFailed(f"{program} failed in {self.folder}: {said.read().decode(errors='replace').strip()}")
        return not failed

    def _call(self, command: Sequence[str | Path], folder: Path, said: BinaryIO | None = None) -> int:
        """Run a command as the server's user, untouched by any PG* variable of ours, and give its exit code."""
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            user=self._uid,
            group=self._gid,
            extra_groups=[] if os.geteuid() == 0 else None,
            check=False,
        ).returncode

    def _give(self, path: Path) -> None:
        os.chown(path, self._uid, self._gid, follow_symlinks=False)

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-10:])

    def _open(self, name: str) -> BinaryIO:
        try:
            return (self.folder / name).open("ab")
        except OSError as error:
            raise StoreFailed(
                f"{error.filename}: {error.strerror}; run as the folder's owner, or set GEO_DATA_DIR"
            ) from error

    @contextmanager
    def _lock(self, name: str, how: int) -> Generator[None]:
        with self._open(name) as file:
            fcntl.flock(file, how)
            yield


def _server_account() -> tuple[int, int]:
    """Give user and group the server runs as: ours, or `postgres` when we are root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        account = pwd.getpwnam(_SERVER_USER)
    except KeyError:
        raise StoreFailed(f"as root the database runs as user {_SERVER_USER}, who does not exist; {_INSTALL}") from None
    return account.pw_uid, account.pw_gid


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
