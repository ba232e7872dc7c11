"""The problems that ship: silver nanoparticles, platinum, and islands of metals, with their physics."""
