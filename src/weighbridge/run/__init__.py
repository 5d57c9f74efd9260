"""One run: preflight, a served, checked and warm system, one measurement, and its record."""
