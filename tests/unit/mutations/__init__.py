"""Defects of a submission tree, one at a time, and the verdict of every checker on each.

An accepted closed tree of round v6.0 is built at full scale (`accepted_tree`), then damaged in thousands of
ways (`all_mutations`). `make mutations REFERENCE=DIR` runs the official tools on each, writes the table and
keeps their verdicts; tests compare our own with them.
"""
