"""The page's files and what it asks first."""

from pathlib import Path

import httpx
import pytest

from tests.web.serving import LAT, LON, InJune, serving


def test_the_configuration_says_all_the_page_must_know(client: httpx.Client):
    answer = client.get("/map/config.json")
    assert answer.headers["content-type"] == "application/json"
    config = answer.json()
    assert config["title"] == {"zh": "零发案预警地图", "en": "Zero-incident warning map"}
    assert (config["time_zone"], config["month"], config["months"]) == (
        "Asia/Shanghai",
        "2024-06",
        ["2024-03", "2024-06"],
    )
    assert config["revision"] == client.get("/health/ready").json()["revision"]
    assert config["position"].split("-")[0] == str(config["revision"])
    assert config["bounds"] == pytest.approx([LON, LAT, LON + 0.04, LAT + 0.01])
    assert config["language"] == "zh"
    assert [layer["id"] for layer in config["layers"]] == ["patrol_zone_warnings", "unit_warnings", "warnings"]
    assert [layer["id"] for layer in config["objects"]] == ["prevention", "venues"]
    assert [(layer["minzoom"], layer["maxzoom"]) for layer in config["layers"]] == [(0, 14)] * 3
    for layer in config["layers"]:
        geometry = client.get(f"/tiles/{layer['id']}.json").json()["geometry"]
        assert f"/g/{layer['geometry']}/" in geometry
    assert all(set(layer["title"]) == {"zh", "en"} for layer in [*config["layers"], *config["objects"]])
    assert set(config["texts"]) == {"zh", "en"}
    assert config["texts"]["zh"]["category"]["robbery"] == "抢劫"


def test_the_legend_says_the_thresholds_of_the_rule_in_force(client: httpx.Client):
    levels = client.get("/map/config.json").json()["levels"]
    assert [(level["code"], level["name"], level["colour"], level["range"]["en"]) for level in levels] == [
        (0, "none", "#dfe7e3", "0"),
        (1, "yellow", "#f7d84a", "1"),
        (2, "orange", "#f28e2b", "2–3"),
        (3, "red", "#d7263d", "4–5"),
        (4, "black", "#1b1b1f", "6 or more"),
    ]
    assert [level["text"]["zh"] for level in levels] == ["零发案", "黄色预警", "橙色预警", "红色预警", "黑色预警"]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built page of two files."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>map</title>", encoding="utf-8")
    (tmp_path / "assets" / "main-1a2b.js").write_text("export {};", encoding="utf-8")
    (tmp_path.parent / "secret.txt").write_text("not yours", encoding="utf-8")
    return tmp_path


def test_the_page_is_served_and_talks_to_nobody_else(library: InJune, built: Path):
    with serving(library, page=built) as client:
        for path in ("/map", "/map/", "/map/index.html"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert answer.text == "<!doctype html><title>map</title>"
        again = client.get("/map", headers={"if-none-match": client.get("/map").headers["etag"]})
        assert again.status_code == 304
        script = client.get("/map/assets/main-1a2b.js")
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert script.headers["content-type"].startswith("text/javascript")


def test_nothing_outside_the_page_is_served(library: InJune, built: Path):
    with serving(library, page=built) as client:
        for path in ("/map/none.js", "/map/assets", "/map/../secret.txt", "/map/%2e%2e/secret.txt", "/map//etc/passwd"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"


def test_a_page_that_was_not_built_says_how_to_build_it(library: InJune, tmp_path: Path):
    with serving(library, page=tmp_path / "dist") as client:
        for path in ("/map", "/map/", "/map/assets/main.js"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            assert "npm ci && npm run build" in answer.json()["detail"]
        assert client.get("/map/config.json").status_code == 200
