"""What was understood."""
