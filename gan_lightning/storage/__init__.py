"""How files are written and read: whole or not at all, and never as code."""
