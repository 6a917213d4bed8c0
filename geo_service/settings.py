"""Settings: every knob once, with unit, default and help.  Read from GEO_* variables; unknown names are refused.

The command line passes the environment in; nothing below it looks there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from geo_service.errors import BadSetting

_PREFIX = "GEO_"
_TEST_ONLY = frozenset({"GEO_TEST_DATABASE_URL"})


T = TypeVar("T", str, int)


def _knob(default: T, text: str) -> T:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """What the operator may turn.  Paths left empty mean the program's own choice."""

    data_dir: str = _knob("", "folder of the private database and the demo city; empty: the user's data folder")
    database_url: str = _knob("", "a PostGIS server, postgresql://…; empty: a private one in data_dir")
    rules_dir: str = _knob("", "folder of rules/; empty: the one shipped")
    layers_dir: str = _knob("", "folder of layers/; empty: the one shipped")
    feeds: str = _knob("", "feed files to pull, comma-separated; empty: none (the demo brings its own)")
    feed_token: str = _knob("", "bearer token for HTTP feeds")
    auditor_token: str = _knob("", "bearer token that opens /statistics/auditors/…; empty: nobody may")
    placing: str = _knob("unit_first", "placing rule of rules/placing.toml")
    time_zone: str = _knob("Asia/Shanghai", "the city's time zone: months are cut in it")
    pull_every_s: int = _knob(600, "seconds between two pulls of each feed [s]")
    host: str = _knob("127.0.0.1", "address the web server listens on")
    port: int = _knob(8080, "port the web server listens on")
    public_url: str = _knob("", "address at which people open the map, for links in messages; empty: no links")
    mail_server: str = _knob("", "mail server, smtp://user:password@host:port or smtps://…; empty: no mail is sent")
    mail_from: str = _knob("geo-service@localhost", "address that mail comes from")
    language: str = _knob("zh", "language of texts where the reader has not chosen: zh or en")

    def data(self) -> Path:
        """Give the data folder: the one set, or the program's own."""
        return Path(self.data_dir).expanduser() if self.data_dir else _own_data_dir()


def _own_data_dir() -> Path:
    # Root's home is closed to the `postgres` user that must reach the cluster, so root keeps its data in /var/lib.
    home = Path.home()
    return Path("/var/lib/geo_service") if home == Path("/root") else home / ".local" / "share" / "geo_service"


def read(environment: Mapping[str, str]) -> Settings:
    """Read the GEO_* variables.

    Raises BadSetting for an unknown name or a value of the wrong kind.

    >>> read({"GEO_PORT": "9000", "HOME": "/somewhere"}).port
    9000
    >>> read({"GEO_PROT": "9000"})
    Traceback (most recent call last):
    geo_service.errors.BadSetting: GEO_PROT is no setting; did you mean one of GEO_DATA_DIR, ... (docs/settings.md)?
    """
    known = {_PREFIX + knob.name.upper(): knob for knob in fields(Settings)}
    values: dict[str, str | int] = {}
    for name, value in environment.items():
        if not name.startswith(_PREFIX) or name in _TEST_ONLY:
            continue
        if name not in known:
            raise BadSetting(f"{name} is no setting; did you mean one of {', '.join(known)} (docs/settings.md)?")
        values[known[name].name] = _value(name, value, isinstance(known[name].default, int))
    return Settings(**values)  # type: ignore[arg-type]


def _value(name: str, value: str, whole: bool) -> str | int:
    if not whole:
        return value
    try:
        return int(value)
    except ValueError:
        raise BadSetting(f"{name}={value!r} is not a whole number") from None
