"""Models of the user's settings (config.yaml) and of a benchmark's rules (rounds)."""
