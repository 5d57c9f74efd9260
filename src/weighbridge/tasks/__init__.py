"""What only one benchmark knows: its columns, its prompt, its scorer."""
