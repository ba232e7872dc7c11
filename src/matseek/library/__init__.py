"""The problems that ship: silver and gold nanoparticles, platinum, and islands of metals, with their physics."""
