import pandas as pd
import sqlalchemy as sa

from geo_service.analysis.jurisdictions import Trees
from geo_service.maps.layers import EVERYTHING
from geo_service.store import jurisdictions
from tests.analysis.test_jurisdictions import AREAS, DUTIES, MEMBERSHIPS


def test_trees_and_roster_come_back_as_they_went_in_and_replace_what_stood(database: sa.Engine):
    addresses = pd.DataFrame([["w1", "smtp", "mailto://x", "zh"]], columns=list(jurisdictions.ADDRESS_COLUMNS))
    for _ in range(2):
        with database.begin() as connection:
            jurisdictions.replace_trees(connection, Trees(AREAS, MEMBERSHIPS))
            jurisdictions.replace_roster(connection, DUTIES, addresses)
    with database.connect() as connection:
        found = jurisdictions.trees(connection, EVERYTHING)
        pd.testing.assert_frame_equal(found.areas, AREAS, check_dtype=False)
        pd.testing.assert_frame_equal(found.memberships, MEMBERSHIPS, check_dtype=False)
        pd.testing.assert_frame_equal(jurisdictions.duties(connection, EVERYTHING), DUTIES, check_dtype=False)
