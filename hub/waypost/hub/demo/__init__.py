"""The demonstration: a whole federation as separate processes on loopback, run through the ordinary commands."""
