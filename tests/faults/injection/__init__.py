"""Faults put into real runs, one at a time, and what must hold after each."""
