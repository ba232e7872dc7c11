from .potentials import check_potential as check_potential
from .problems import check_problem as check_problem
from .rules import ConformanceError as ConformanceError
from .score_networks import check_score_network as check_score_network
from .searchers import check_searcher as check_searcher
from .spaces import check_space as check_space
from .surrogates import check_surrogate as check_surrogate
from .watched import measured as measured
