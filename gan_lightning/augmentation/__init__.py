"""What happens to samples before the discriminator sees them."""
