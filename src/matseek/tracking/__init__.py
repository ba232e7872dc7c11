"""Following campaigns while they run: Weights & Biases, CSV files, TensorBoard, through Lightning's loggers."""

from matseek.tracking.outcome import CampaignOutcome, outcome_of
from matseek.tracking.settings import CSVTracking, Label, TensorBoardTracking, Tracking
from matseek.tracking.tracker import Tracker, following
from matseek.tracking.wandb import WandbTracking

__all__ = [
    "CSVTracking",
    "CampaignOutcome",
    "Label",
    "TensorBoardTracking",
    "Tracker",
    "Tracking",
    "WandbTracking",
    "following",
    "outcome_of",
]
