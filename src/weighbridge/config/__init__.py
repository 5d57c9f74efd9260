"""What users say (settings) and what a benchmark's rules say (rounds)."""
