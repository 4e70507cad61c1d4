"""A second implementation of the core profile, written from the published text alone."""
