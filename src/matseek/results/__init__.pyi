from .findings import Finding as Finding
from .layouts import Asking as Asking
from .layouts import Line as Line
from .reading import read_results as read_results
from .taking import Taken as Taken
from .taking import Taking as Taking
