"""geo_service: incidents of a city become four-colour warnings of its places."""

__version__ = "0.1.0"
