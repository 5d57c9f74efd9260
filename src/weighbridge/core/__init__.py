"""What every room builds on: errors, files, models, the terminal, number formats, percentiles, Parquet."""
