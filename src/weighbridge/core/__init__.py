"""The basis of every room: errors, files, models, the terminal, formatting, percentiles, Parquet, images."""
