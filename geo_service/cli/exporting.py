"""The command `export`: a layer of the database as one file."""

import re
from contextlib import closing
from zoneinfo import ZoneInfo

from geo_service import cli, drawing, exporting, service, settings
from geo_service.cli import Arguments
from geo_service.errors import BadParameter
from geo_service.store import news

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def export(arguments: Arguments, knobs: settings.Settings) -> None:
    """Draw the layer as the store holds it, or held it at a moment, and write it."""
    if arguments.month and not _MONTH.fullmatch(arguments.month):
        raise BadParameter(f"--month {arguments.month}: expected YYYY-MM, such as 2024-06")
    order = exporting.Order(
        layer=arguments.layer,
        form=arguments.format,
        out=arguments.out,
        month=arguments.month,
        system=arguments.crs,
        force=arguments.force,
        language=knobs.language,
    )
    exporting.check(order)
    zone = ZoneInfo(knobs.time_zone)
    with closing(service.open_service(knobs)) as parts:
        now = parts.now()
        with news.snapshot(parts.engine) as connection:
            picture = drawing.whole(parts, connection, now)
        atlas, as_of = picture.atlas, picture.look.revision.at
        worn = atlas.layer(order.layer).wears_levels
        rule = parts.rules.levels_at(order.month or atlas.month).version if worn else ""
        known = exporting.Provenance(rule, as_of.astimezone(zone), now.astimezone(zone))
        with cli.bar() as tell:
            told = exporting.export(atlas, order, known, tell)
    cli.print_summary(told, arguments)
