"""The highest rate that still passes: found by short probes, confirmed by full-length runs."""
