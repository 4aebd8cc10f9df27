"""The command line: the only room that parses arguments, prints, and knows exit codes.

May import: everything.
"""
