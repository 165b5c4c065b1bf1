"""What a compressed model has to keep: the same locked items scored before and after, sizes, speed; and ``bench``."""

from graft.contract.compress import Kept, Terms, compress
from graft.contract.forms import Bench, bench
from graft.contract.reopened import Reopened, reopen

__all__ = ["Bench", "Kept", "Reopened", "Terms", "bench", "compress", "reopen"]
