"""Addresses: a Chinese dispatch address becomes a place, and the answer tells what it was taken from."""
