from .amending import Amendment as Amendment
from .amending import amendment as amendment
from .holding import column_map as column_map
from .holding import held_values as held_values
from .holding import told_values as told_values
from .opening import open_logbook as open_logbook
from .recipes import require_writable as require_writable
from .recipes import write_recipes as write_recipes
