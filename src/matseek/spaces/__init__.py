"""What may be tried: the points that a campaign can choose from."""

from matseek.core.space import Space
from matseek.spaces.adlayer import Adlayer
from matseek.spaces.box import Box, CoordinateBox
from matseek.spaces.chart import AtomChart
from matseek.spaces.cluster import Cluster
from matseek.spaces.molecules import MolecularAdlayer
from matseek.spaces.pool import Pool
from matseek.spaces.regions import Cuboid, HeightField, Layer, Periodic, Region, Sphere
from matseek.spaces.variables import Category, LinearConstraint, Variable

__all__ = [
    "Adlayer",
    "AtomChart",
    "Box",
    "Category",
    "Cluster",
    "CoordinateBox",
    "Cuboid",
    "HeightField",
    "Layer",
    "LinearConstraint",
    "MolecularAdlayer",
    "Periodic",
    "Pool",
    "Region",
    "Space",
    "Sphere",
    "Variable",
]
