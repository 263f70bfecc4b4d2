"""Generator and discriminator together: one architecture a file."""
