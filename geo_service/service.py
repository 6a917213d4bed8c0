"""Service: assembles the parts from settings, once: database, rules, layers, feeds; and keeps what is dear to make."""

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy

from geo_service import files, layer_files
from geo_service.analysis import prevention, task_rules
from geo_service.analysis.alert_rules import AlertRules
from geo_service.analysis.feed import Feed
from geo_service.analysis.jurisdictions import Role
from geo_service.analysis.rules import ZONE_KINDS, Rules
from geo_service.analysis.trust import Trust
from geo_service.errors import BadSetting, StoreFailed
from geo_service.geography.addresses import gazetteer, locate
from geo_service.geography.addresses.calibrate import Calibration
from geo_service.geography.zones import Zones
from geo_service.maps.layers import EVERYTHING, Layer, LevelScheme
from geo_service.outbox import channels, delivery
from geo_service.settings import Settings
from geo_service.store import gazetteers, opening, reading
from geo_service.store.cluster import Cluster


@dataclass
class Boundaries:
    """The zones as of revision `seq`, kept with their index until the store has newer ones."""

    seq: int = -1
    zones: Mapping[str, Zones] = field(default_factory=dict)


@dataclass
class Solvers:
    """Solvers by version of the gazetteer.  One is kept, and a second while a version is made but not yet committed."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    making: threading.Lock = field(default_factory=threading.Lock)
    made: dict[int, locate.Solver | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """The assembled parts.  `cluster` is the private PostGIS, None where a server was named."""

    settings: Settings
    engine: sqlalchemy.Engine
    rules: Rules
    layers: Mapping[str, Layer]
    scheme: LevelScheme
    texts: Mapping[str, Mapping[str, object]]
    feeds: tuple[Feed, ...]
    cluster: Cluster | None

    @cached_property
    def watch(self) -> layer_files.LayerWatch:
        """The folder of layers, followed while they are served; `layers` and `scheme` are what it said at the start."""
        return layer_files.LayerWatch(files.shipped("layers", self.settings.layers_dir))

    @cached_property
    def boundaries(self) -> "Boundaries":
        """The zones last read from the store."""
        return Boundaries()

    @cached_property
    def solvers(self) -> "Solvers":
        """The solvers last made."""
        return Solvers()

    def solver(self, connection: sqlalchemy.Connection) -> locate.Solver | None:
        """Give what answers addresses by the store's newest gazetteer as the connection sees it; None: there is none.

        Raises BadGazetteer when its entries contradict each other.
        """
        version, kept = gazetteers.version(connection), self.solvers
        if version not in kept.made:
            with kept.lock:  # who asks for another version does not wait
                if version not in kept.made:
                    newest = max(kept.made, default=version)
                    kept.made = {newest: kept.made.get(newest), version: self._make_solver(connection, version)}
        made = kept.made
        kept.made = {number: solver for number, solver in made.items() if number >= version}
        return made[version]

    def solver_at_hand(self, connection: sqlalchemy.Connection) -> locate.Solver | None:
        """Give a solver at once where there is one: while the newest is made (10 s, for a city), the one before."""
        version, kept = gazetteers.version(connection), self.solvers
        former = {number: solver for number, solver in kept.made.items() if number < version and solver}
        if version in kept.made or not former:
            return self.solver(connection)
        if kept.making.acquire(blocking=False):
            threading.Thread(target=self._make_newest, name="solver", daemon=True).start()
        return former[max(former)]

    def _make_newest(self) -> None:
        try:
            with contextlib.suppress(StoreFailed), self.engine.connect() as connection:  # who asks next tries again
                self.solver(connection)
        finally:
            self.solvers.making.release()

    def _make_solver(self, connection: sqlalchemy.Connection, version: int) -> locate.Solver | None:
        entries = gazetteers.entries(connection, version, EVERYTHING)
        if entries.empty:
            return None
        solver = locate.Solver(gazetteer.build(entries, files.projection_of(entries)), self.calibration)
        del entries
        files.give_back_memory()
        return solver

    @cached_property
    def calibration(self) -> Calibration | None:
        """What scores of place texts mean, as calibration.toml among the rules says; None: no text is accepted."""
        path = files.calibration_among(self.settings.rules_dir)
        return files.read_calibration(path) if path else None

    @cached_property
    def roles(self) -> Mapping[str, Role]:
        """Who may be told or asked, as roles.toml among the rules says."""
        return files.read_roles(files.shipped("rules", self.settings.rules_dir))

    @cached_property
    def trust(self) -> Trust:
        """When a colour is trusted."""
        return files.read_trust(files.shipped("rules", self.settings.rules_dir))

    @cached_property
    def alert_rules(self) -> tuple[AlertRules, ...]:
        """Who is told of what, and how soon, as rules/alerts.toml says."""
        return files.read_alert_rules(files.shipped("rules", self.settings.rules_dir))

    @cached_property
    def post(self) -> delivery.Post:
        """What telling and delivering need besides the store."""
        knobs = self.settings
        ways = channels.Channels(knobs.mail_server, knobs.mail_from)
        return delivery.Post(
            self.alert_rules, self.roles, self.texts, ZoneInfo(knobs.time_zone), ways, knobs.public_url
        )

    @cached_property
    def task_rules(self) -> tuple[task_rules.TaskRule, ...]:
        """When a place is supervised, as tasks.toml among the rules says."""
        return files.read_task_rules(files.shipped("rules", self.settings.rules_dir))

    @cached_property
    def prevention(self) -> prevention.Rules:
        """What prevention.toml among the rules says of objects and measures.  Raises BadRule."""
        return files.read_prevention(files.shipped("rules", self.settings.rules_dir))

    def now(self) -> datetime:
        """The one clock."""
        return datetime.now(UTC)

    def zones(self, connection: sqlalchemy.Connection) -> Mapping[str, Zones]:
        """Give the zones of each kind as the connection sees them, with their index, kept until there are others."""
        kept, seq = self.boundaries, reading.revision(connection).zones_seq
        if kept.seq != seq:
            found = {kind: reading.zones(connection, kind, EVERYTHING) for kind in ZONE_KINDS}
            kept.zones = {kind: zones for kind, zones in found.items() if len(zones)}
            kept.seq = seq
        return kept.zones

    def day(self, moment: datetime) -> date:
        """Give the city's day of a moment."""
        return moment.astimezone(ZoneInfo(self.settings.time_zone)).date()

    def month(self, moment: datetime) -> str:
        """Give the city's calendar month of a moment, "YYYY-MM"."""
        return f"{self.day(moment):%Y-%m}"

    def close(self) -> None:
        """Let the database go; a private one stops."""
        self.engine.dispose()
        if self.cluster:
            self.cluster.stop()


def open_service(settings: Settings) -> Service:
    """Read rules, layers and feeds, start or reach the database and bring its tables up to date.

    Raises BadRule and BadSetting before the database is touched, StoreFailed when it cannot be used.
    """
    layers_dir = files.shipped("layers", settings.layers_dir)
    rules_dir = files.shipped("rules", settings.rules_dir)
    rules = files.read_rules(rules_dir, settings.placing)
    files.read_alert_rules(rules_dir)  # what is wrong with it is said now, not with the first alert
    feeds = tuple(files.read_feed(Path(path.strip())) for path in settings.feeds.split(",") if path.strip())
    for feed in feeds:
        if feed.city_zone != settings.time_zone:
            raise BadSetting(
                f"feed '{feed.id}' cuts months in {feed.city_zone}, the city's GEO_TIME_ZONE is "
                f"{settings.time_zone}; make them equal"
            )
    looks = layer_files.read(layers_dir)
    cluster = None if settings.database_url else Cluster(settings.data() / "postgis")
    engine = opening.connect(cluster.start() if cluster else settings.database_url)
    opening.migrate(engine)
    return Service(settings, engine, rules, looks.layers, looks.scheme, files.read_texts(), feeds, cluster)
