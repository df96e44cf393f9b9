"""Waypost's cryptography: standards only, each in a module of its own, no I/O but the keystore's file."""
