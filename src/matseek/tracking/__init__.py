"""Following campaigns while they run: Weights & Biases, CSV files, TensorBoard, through Lightning's loggers."""

# A campaign that is not followed needs no ASE for W&B: names are imported when they are first used. They stand in
# __init__.pyi.
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
