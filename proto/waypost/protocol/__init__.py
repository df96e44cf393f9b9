"""The protocol's rules that both ends of a wire must hold alike: names, join codes, commitments, digests, rosters.

Generated message classes are in `waypost.v1`; this package is what the prose of the .proto files says, as code without
I/O. Nodes, hub and trustee import it; it imports only `waypost.v1` and `waypost.crypto`.
"""
