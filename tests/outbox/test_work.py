"""The worker delivers beside its pulls: woken by what was written, and never in their way."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

import pandas as pd
import sqlalchemy as sa

from geo_service import jobs
from geo_service.feeds.sources import Pulled
from geo_service.outbox import channels
from geo_service.settings import Settings
from tests.analysis import made
from tests.outbox.receiving import receiving, staff, told
from tests.outbox.test_telling import FOUR
from tests.web import serving

STATION = ["station police s1 p1"]


class Calls:
    """A source that brings the four calls once, then nothing."""

    def __init__(self) -> None:
        self.pulls = 0

    def pull(self, since: str | None) -> Pulled:
        self.pulls += 1
        rows = made.rows(FOUR)
        return Pulled(rows if since is None else rows[:0], "1")


@contextmanager
def working(service: serving.InJune, source: Calls) -> Generator[None]:
    stop = threading.Event()
    worker = threading.Thread(target=jobs.work, args=(service, [(serving.FEED, source)], stop))
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join()


def city(database: sa.Engine, **knobs: object) -> serving.InJune:
    made_city = serving.without_tasks(replace(serving.library(database), settings=Settings(pull_every_s=1, **knobs)))
    serving.load_zones(made_city)
    return made_city


def test_what_a_pull_writes_goes_out_at_once(database: sa.Engine):
    service, source = city(database), Calls()
    with receiving() as receiver:
        staff(service, STATION, [f"p1 webhook {receiver.address()} en"])
        with working(service, source):
            serving.wait_until(lambda: receiver.came, within_s=jobs.DELIVER_EVERY_S / 2)
    assert [one["title"] for one in receiver.kept.values()] == ["Turned red: a 村"]
    assert isinstance(source.pull("1").rows, pd.DataFrame)


def test_a_mail_server_that_never_answers_holds_up_no_pull(database: sa.Engine):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(30)
        service, source = city(database), Calls()
        ways = channels.Channels(f"smtp://127.0.0.1:{mute.getsockname()[1]}", timeout_s=8)
        service.__dict__["post"] = replace(service.post, ways=ways)
        staff(service, STATION, ["p1 smtp mailto:p1@bureau.example zh"])
        with working(service, source):
            asked, _ = mute.accept()
            with asked:
                before = source.pulls
                serving.wait_until(lambda: source.pulls >= before + 3, within_s=7)
                assert told(database, "state", "sent_at", kind="enter_red", staff_id="p1") == [("waiting", None)]
    serving.wait_until(lambda: told(database, "reason", kind="enter_red", staff_id="p1") == [("unreached",)])
