"""A stand-in for the platform: its two APIs over HTTP, a Mongo to read from, generated data."""
