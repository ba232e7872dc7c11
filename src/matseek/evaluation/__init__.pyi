from .evaluator import Evaluator as Evaluator
from .executors import BatchExecutor as BatchExecutor
from .executors import DaskExecutor as DaskExecutor
from .executors import ProcessExecutor as ProcessExecutor
from .executors import SerialExecutor as SerialExecutor
from .executors import ThreadExecutor as ThreadExecutor
from .ledger import Ledger as Ledger
from .ledger import LedgerReader as LedgerReader
