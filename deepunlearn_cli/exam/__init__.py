"""The exam that every method passes, one function per question: `deepunlearn check` and the tests ask them.

May import: `core`, `engine`, `library`, `methods`, `models`.
"""
