"""The public release of section 3(c): a static site and its data, signed."""
