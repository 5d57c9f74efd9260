"""Disturbances: signs in a run's own records that something else than the system moved its figures."""
