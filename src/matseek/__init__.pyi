from .campaign import Campaign as Campaign
from .problems import RecipeProblem as RecipeProblem
from .problems import SpectralMatch as SpectralMatch
from .problems import StructureProblem as StructureProblem
from .searchers import BayesianSearcher as BayesianSearcher
from .searchers import GODiffSearcher as GODiffSearcher
from .searchers import LatinHypercube as LatinHypercube
from .searchers import NetworkSearcher as NetworkSearcher
from .searchers import RandomSearcher as RandomSearcher
from .searchers import RandomStructureSearch as RandomStructureSearch
from .searchers import TwoStepSearcher as TwoStepSearcher
from .spaces import Adlayer as Adlayer
from .spaces import Box as Box
from .spaces import Category as Category
from .spaces import LinearConstraint as LinearConstraint
from .spaces import Pool as Pool
from .spaces import Variable as Variable

__version__: str
