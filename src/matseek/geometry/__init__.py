"""Mathematics of lattices and convex bodies, below every room."""
