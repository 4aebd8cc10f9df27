"""Records in, text out: tables, figures, pages; pure, and without torch.

May import: `core`, `evaluation`.
"""
