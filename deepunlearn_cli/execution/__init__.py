"""From what people ask for to runs in the store: recipes, materials, makers, one at a time or several.

May import: `core`, `system`, `store`, `data`, `models`, `evaluation`, `engine`, `methods`, `attacks`,
`library`.
"""
