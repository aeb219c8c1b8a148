"""The chapter's figures and tables, one script each: ``python -m experiments.NAME --help``."""
