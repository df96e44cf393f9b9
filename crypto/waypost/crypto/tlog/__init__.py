"""The transparency log's mathematics and formats, without I/O: RFC 9162's Merkle tree, and C2SP's notes and proofs."""
