"""A page about a trained model that a browser opens from the disk, and one about a run under way (docs/report.md)."""

from .live import watch
from .written import noted, write_report

__all__ = ["noted", "watch", "write_report"]
