"""Remove training data from image classifiers, prove how well it worked, compare the methods."""

__version__ = "0.1.0"
