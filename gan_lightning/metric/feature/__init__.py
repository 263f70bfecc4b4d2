"""What scores look at instead of pixels."""
