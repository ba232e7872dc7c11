from .problems import check_problem as check_problem
from .rules import ConformanceError as ConformanceError
from .spaces import check_space as check_space
