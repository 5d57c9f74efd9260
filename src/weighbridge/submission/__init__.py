"""From runs to a submission tree: system description, tree, truncation, checks."""
