"""What everything speaks in: failures, declared fields, recipes and keys, registries, forget specs.

May import: the standard library.
"""
