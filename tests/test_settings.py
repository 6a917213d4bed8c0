from pathlib import Path

import pytest

from geo_service import settings
from geo_service.errors import BadSetting


def test_knobs_are_read_and_the_rest_of_the_environment_is_not():
    read = settings.read({"GEO_PORT": "9000", "GEO_FEEDS": "a.toml", "PATH": "/bin"})
    assert (read.port, read.feeds, read.host) == (9000, "a.toml", "127.0.0.1")
    assert read == settings.Settings(port=9000, feeds="a.toml")


def test_an_unknown_name_and_a_wrong_number_are_refused():
    with pytest.raises(BadSetting, match="GEO_PROT is no setting; did you mean one of GEO_DATA_DIR"):
        settings.read({"GEO_PROT": "1"})
    with pytest.raises(BadSetting, match="GEO_PORT='eighty' is not a whole number"):
        settings.read({"GEO_PORT": "eighty"})


def test_data_lies_where_it_is_told(tmp_path: Path):
    assert settings.read({"GEO_DATA_DIR": str(tmp_path)}).data() == tmp_path
    assert settings.Settings().data().name == "geo_service"
