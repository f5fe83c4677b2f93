"""Databases, Redis, hashing, tokens and the upstream services, behind the protocols of the domain."""
