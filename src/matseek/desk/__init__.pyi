from .holding import held_values as held_values
from .recipes import require_writable as require_writable
from .recipes import write_recipes as write_recipes
