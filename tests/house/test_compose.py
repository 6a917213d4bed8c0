"""docker-compose.yml is checked as far as no engine is needed: services, commands, health, settings, ports."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from geo_service import cli, settings

HOUSE = Path(__file__).resolve().parents[2]
PATH = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
COMPOSE: dict[str, Any] = yaml.safe_load((HOUSE / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BATCH = [name for name, service in SERVICES.items() if service.get("profiles") == ["batch"]]
OURS = [name for name, service in SERVICES.items() if "build" in service and name not in BATCH]


def test_the_services_of_the_house():
    assert set(SERVICES) == {"db", "web", "work", "scheduler", "worker", "digest"}
    assert set(OURS) == {"web", "work"}
    assert set(BATCH) == {"scheduler", "worker", "digest"}


@pytest.mark.parametrize("name", ["scheduler", "worker"])
def test_dask_knows_the_command(name: str):
    service = SERVICES[name]
    asked = subprocess.run(
        [*service["entrypoint"], service["command"][0], "--help"], capture_output=True, text=True, check=True, env=PATH
    )
    for option in service["command"]:
        assert not option.startswith("--") or option in asked.stdout


def test_workers_and_digest_see_the_same_files():
    assert SERVICES["worker"]["volumes"] == SERVICES["digest"]["volumes"]


@pytest.mark.parametrize("name", OURS)
def test_the_command_is_one_the_program_knows(name: str):
    cli._parser().parse_args(SERVICES[name]["command"])


@pytest.mark.parametrize("name", OURS)
def test_its_settings_are_known_and_well_formed(name: str):
    environment = {key: str(value).replace("${", "{") for key, value in SERVICES[name]["environment"].items()}
    assert settings.read(environment).database_url.startswith("postgresql://")


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "digest"])
def test_it_tells_whether_it_is_well(name: str):
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", OURS)
def test_it_waits_for_a_well_database(name: str):
    assert SERVICES[name]["depends_on"]["db"] == {"condition": "service_healthy"}


def test_only_loopback_is_opened_and_the_database_not_at_all():
    ports = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert all(not some for name, some in ports.items() if name != "web")
    assert all(str(port).startswith("127.0.0.1:") for port in ports["web"])


def test_an_image_names_its_version():
    for service in SERVICES.values():
        assert ":" in service.get("image", "image:1")
        assert not service.get("image", "").endswith(":latest")


def test_volumes_are_declared():
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume[0].isalpha()
    }
    assert used == set(COMPOSE["volumes"])
