"""The outbox: delivers written messages at least once, with a key by which a receiver drops a second."""
