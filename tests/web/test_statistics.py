"""Statistics and the bulletin over HTTP, on the city of serving.py: March and June 2024, as known on 20 June."""

import dataclasses
import io
import json
from datetime import timedelta

import httpx
import pandas as pd
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from geo_service.analysis import statistics
from geo_service.analysis.jurisdictions import Trees
from geo_service.settings import Settings
from geo_service.store import jurisdictions
from tests.analysis.test_jurisdictions import AREAS, MEMBERSHIPS
from tests.web import serving

MARCH = "/statistics/zero-incident?month=2024-03&months=1"


def test_the_index_names_every_table_in_both_languages(client: httpx.Client):
    tables = client.get("/statistics").json()["tables"]
    assert [table["name"] for table in tables] == list(statistics.TABLES)
    assert all(set(table["title"]) == {"zh", "en"} for table in tables)
    for table in tables:
        assert client.get(table["href"], params={"month": "2024-05", "against": "month"}).status_code in (200, 400)


def test_a_share_at_zero_is_that_of_the_places_loaded(client: httpx.Client):
    told = client.get(MARCH).json()
    [row] = told["rows"]
    assert (row["group"], row["places"], row["zero_places"], row["share"]) == ("all", 4, 3, 0.75)
    assert row["low"] < 0.75 < row["high"]
    about = told["about"]
    assert (about["month"], about["months"], about["kind"]) == ("2024-03", ["2024-03"], "communities")
    assert about["rule_version"] == "zero-incident-1"
    assert about["as_of"].endswith("+08:00")
    assert "接警" in about["basis"]["zh"]


def test_without_a_month_the_last_one_that_is_over_is_meant(client: httpx.Client):
    assert client.get("/statistics/zero-incident").json()["about"]["month"] == "2024-05"


def test_every_form_holds_the_same_rows(client: httpx.Client):
    of_json = client.get(MARCH).json()
    of_csv = client.get(f"{MARCH}&f=csv")
    of_parquet = client.get(f"{MARCH}&f=parquet").content
    rows = pd.DataFrame(of_json["rows"]).to_dict("records")
    assert pd.read_csv(io.StringIO(of_csv.text), keep_default_na=False).to_dict("records") == rows
    assert pd.read_parquet(io.BytesIO(of_parquet)).to_dict("records") == rows
    head = json.loads(pq.read_schema(io.BytesIO(of_parquet)).metadata[b"about"])
    assert {**head, "generated_at": ""} == {**of_json["about"], "generated_at": ""}
    described = of_csv.headers["link"].split(">")[0].removeprefix("<")
    assert client.get(described).json()["rows"] == of_json["rows"]


def test_a_browser_gets_a_page_that_may_run_and_load_nothing(client: httpx.Client):
    page = client.get("/statistics", headers={"accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in page.text
    assert "零发案占比" in page.text
    assert "Share of places at zero" in client.get("/statistics?f=html&language=en").text


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/statistics/nothing", 404, "zero-incident"),
        ("/statistics/colours?mouth=2024-03", 400, "unknown parameter 'mouth'"),
        ("/statistics/colours?month=2023-01", 400, "not on record"),
        ("/statistics/colours?level=parish", 400, "known are civil"),
        ("/statistics/colours?area=s9", 400, "no place lies in"),
        ("/statistics/colours?class=castle", 400, "there are residential"),
        ("/statistics/changes?month=2024-06&against=month", 400, "is not over"),
        ("/statistics/changes?month=2024-05", 400, "2023-05"),
        ("/bulletin/2024-06", 400, "is not over"),
        ("/bulletin/2024-13", 400, "month"),
        ("/bulletin/2024-05?language=fr", 400, "language"),
    ],
)
def test_what_cannot_be_answered_is_said(client: httpx.Client, path: str, status: int, says: str):
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


AUDITORS = "/statistics/auditors/under-recording?month=2024-03"


def test_signs_of_under_recording_are_for_who_bears_the_token(database: sa.Engine, client: httpx.Client):
    assert client.get(AUDITORS).status_code == 403  # no token is set: nobody may
    assert client.get(AUDITORS, headers={"authorization": "Bearer"}).status_code == 403
    library = serving.city(database)
    open_to_auditors = dataclasses.replace(library, settings=Settings(auditor_token="t0ken"))
    with database.begin() as connection:
        jurisdictions.replace_trees(connection, Trees(AREAS, MEMBERSHIPS.assign(zone_id="a", area="s1").head(1)))
    with serving.serving(open_to_auditors) as asking:
        assert asking.get(AUDITORS, headers={"authorization": "Bearer token"}).status_code == 403
        told = asking.get(AUDITORS, headers={"authorization": "Bearer t0ken"})
        assert told.status_code == 200, told.text
        assert [(row["area"], row["threshold"], row["under"]) for row in told.json()["rows"]] == [
            ("s1", 2, 0),
            ("s1", 4, 0),
            ("s1", 6, 0),
        ]
        assert "/statistics/auditors" not in asking.get("/api").text


def test_the_bulletin_of_a_month_stands_in_one_page(client: httpx.Client):
    page = client.get("/bulletin/2024-03")
    assert page.status_code == 200, page.text
    assert "零发案月报" in page.text
    assert "Zero-incident bulletin" in page.text
    assert "March 2024" in page.text
    assert "<script" not in page.text
    assert "http://" not in page.text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_a_table_is_told_as_it_was_known_and_as_another_programme_colours_it(database: sa.Engine):
    library = serving.without_tasks(serving.city(database))
    before = library.now()
    library.ahead.append(timedelta(hours=1))
    serving.commit(library, f"m1 2024-03-05_23:30 D {serving.AT_A}")  # retyped: a has one less in March
    with serving.serving(library) as asking:

        def orange(**said: str) -> tuple[int, str]:
            told = asking.get("/statistics/colours", params={"month": "2024-03", "months": "1", **said})
            [row] = [one for one in told.raise_for_status().json()["rows"] if one["group"] == "all"]
            return row["orange"], told.json()["about"]["rule_version"]

        page = asking.get("/bulletin/2024-05", params={"language": "en"}).raise_for_status().text
        assert "Months restated" in page
        assert "2 → 1" in page
        assert "typed anew" in page
        assert "Months restated" not in asking.get("/bulletin/2024-02").text
        assert orange() == (0, "zero-incident-1")
        assert orange(as_of=before.isoformat()) == (1, "zero-incident-1")
        assert orange(programme="telecom_fraud") == (0, "telecom-fraud-1")
        early = asking.get("/statistics/colours", params={"as_of": "2024-02-01T00:00:00+08:00"})
        assert (early.status_code, asking.get("/statistics/colours?programme=x").status_code) == (400, 400)
