"""What the players minimise: one objective a file."""
